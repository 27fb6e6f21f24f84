"""Number formats and bit packing: pure functions on NumPy arrays."""
