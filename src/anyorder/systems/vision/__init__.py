"""Images: one file per system."""
