"""Measurements of our own code on the machine at hand."""
