"""The reference backend: kernel IR as Python source that calls NumPy kernels."""
