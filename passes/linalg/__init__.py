"""How operations of the `llm` dialect are written in upstream MLIR: what `convert-llm-to-linalg` is made of."""
