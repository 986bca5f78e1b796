"""Weights files: our own format, published ones, names and downloads."""
