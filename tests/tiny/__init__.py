"""Tiny models with random weights, in the form of real ones."""
