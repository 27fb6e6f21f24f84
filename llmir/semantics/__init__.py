"""What every operation of the `llm` dialect computes, in NumPy: one definition each, by name in `registry`."""
