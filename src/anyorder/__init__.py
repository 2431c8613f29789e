"""anyorder: sequences generated in any order, many tokens at a time."""
