"""Weights and tokenizers in files: where they come from, and what they say of themselves."""
