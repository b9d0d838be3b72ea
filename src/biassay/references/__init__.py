"""Exact answers to compare with: solutions found without training."""
