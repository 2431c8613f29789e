"""Layers, backbones and the cache. Nets never loop over tokens and never sample."""
