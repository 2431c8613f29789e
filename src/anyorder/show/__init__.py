"""Traces made visible: in the terminal and on a page."""
