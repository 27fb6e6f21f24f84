"""Algorithms that choose scales, zero points and codes: pure functions on NumPy arrays."""
