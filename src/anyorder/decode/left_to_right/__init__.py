"""One cell after the other, from left to right."""
