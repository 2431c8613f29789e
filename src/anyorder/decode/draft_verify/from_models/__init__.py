"""Drafts of another model, which is smaller or reads in another way."""
