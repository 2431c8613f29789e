"""Parallel (non-autoregressive) translation and text generation."""
