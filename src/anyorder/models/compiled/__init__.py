"""Translators whose forward pass is compiled code."""
