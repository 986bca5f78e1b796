"""Networks that answer clicks, their shared interface and their registry."""
