"""The IR: `llm` says what, `kernel` says which kernel."""
