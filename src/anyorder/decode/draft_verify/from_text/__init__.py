"""Drafts out of texts: what was written, read or nearly said before."""
