"""How clicks and the previous mask enter a network."""
