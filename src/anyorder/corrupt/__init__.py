"""How clean data is damaged, or shown in part, for training."""
