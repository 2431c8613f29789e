"""Sums over alignments: dynamic programmes, each equal to a search over all of them."""
