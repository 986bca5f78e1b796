"""From clicks to masks: the Predictor, its state, the test-time steps and the chains made of them."""
