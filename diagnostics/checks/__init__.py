"""Checks before training: each file looks for one family of faults; `diagnostics.check` runs them all."""
