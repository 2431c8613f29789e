"""Networks with a capability, and loaders. Models never sample."""
