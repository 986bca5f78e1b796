"""Pictures with objects, and what training draws from them."""
