"""Draft several tokens, verify them in one call, keep what is right."""
