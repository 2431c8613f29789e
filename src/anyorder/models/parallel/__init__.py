"""Networks that write many cells of a target in one call."""
