"""Formulas: reading them, and deciding by arithmetic when two of them are equal."""
