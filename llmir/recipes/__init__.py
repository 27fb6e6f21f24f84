"""The vocabularies users already speak, each compiled to a pass pipeline."""
