"""Search: texts are scored many at a time, and the best one is found among all of them."""
