"""Quality metrics and the side-by-side benchmark."""
