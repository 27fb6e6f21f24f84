"""The patterns of `fuse-quantized-ops`: one file a pattern."""
