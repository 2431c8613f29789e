"""Draft and verify: more tokens per call of an autoregressive model."""
