"""The reference backend: the `llm` level run operation by operation, by the definitions in `llmir.semantics`."""

from llmir.backends.reference.interpreter import Reference

__all__ = ["Reference"]
