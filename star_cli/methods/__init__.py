"""One leaf, one file: every methods leaf registers itself."""
