"""Networks of `transformers`, unmodified."""
