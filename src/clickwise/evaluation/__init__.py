"""How many clicks a model needs: the protocol, the loop, and what is made of its numbers."""
