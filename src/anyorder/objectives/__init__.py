"""Losses: what a model is trained for. Pure functions of a model and a batch."""
