"""Artifacts by key, runs by name."""
