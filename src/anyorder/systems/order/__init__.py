"""Systems that write in any order, or insert."""
