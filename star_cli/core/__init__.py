"""Contracts and facts: keys, records, parts and their settings, the registry."""
