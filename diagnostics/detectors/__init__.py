"""Detectors: each file names one kind of collapse from what was recorded."""
