"""How a model does where things are hard: changed pictures, human clicks, rough starts, difficult objects."""
