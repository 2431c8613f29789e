"""Models that are tables of numbers: laws run on them, with no weights, in seconds."""
