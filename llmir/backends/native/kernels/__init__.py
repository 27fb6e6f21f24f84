"""Generators: each emits one function of a native module, by its specification."""
