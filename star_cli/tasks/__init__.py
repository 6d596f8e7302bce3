"""One leaf, one file: every tasks leaf registers itself."""
