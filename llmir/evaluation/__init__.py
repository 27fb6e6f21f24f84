"""Measuring a callable: perplexity, divergence from a reference, generation."""
