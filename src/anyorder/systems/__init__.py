"""One file per published system: facts and a recipe, no logic."""
