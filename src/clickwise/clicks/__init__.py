"""Hints of a user: the list, its encoding, and simulated users."""
