"""Drafts of what the model itself foretells: more heads, and masks that it reads."""
