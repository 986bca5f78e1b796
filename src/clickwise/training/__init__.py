"""Training: typed recipes, a resumable loop, methods by name."""
