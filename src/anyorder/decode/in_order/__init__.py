"""Cells in an order of their own, with a network that can be told any of them."""
