"""What a cell means: bytes, subwords, phrases, numbers, patches, frames."""
