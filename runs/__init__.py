"""One training run: recipe, training loop, run log, reading it back."""
