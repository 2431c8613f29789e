"""Judges of guesses that keep more than the model would write itself: not exact."""
