"""One call writes the whole text: parallel models, and the search through what they say."""
