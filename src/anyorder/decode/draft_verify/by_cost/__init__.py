"""What a draft costs, what it may win, and who chooses by that."""
