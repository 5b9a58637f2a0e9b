"""The boards: their descriptions, what is made from these, and what can be wrong with them."""
