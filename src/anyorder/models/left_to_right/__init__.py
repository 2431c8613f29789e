"""Networks that read a source and write its target left to right, or draft so."""
