"""Feature maps -> logits."""
