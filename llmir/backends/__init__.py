"""Kernel IR to something callable."""
