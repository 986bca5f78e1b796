"""Image -> feature maps; they know nothing of clicks."""
