"""Descriptions of hardware, as data."""
