"""How systems are measured: one small class a kind of experiment, chosen by the systems' files."""
