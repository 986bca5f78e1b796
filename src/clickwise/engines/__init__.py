"""Where and how a network runs."""
