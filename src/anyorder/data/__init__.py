"""Tasks and corpora: pairs of texts, where they come from, and how outputs are scored."""
