"""Trials of interventions: which change brings a network back, by how much, and what then carries its score."""
