"""The server: what is faster for one is faster for many at once."""
