"""One training loop, and the checkpoints that it writes."""
