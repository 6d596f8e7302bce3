"""One leaf, one file: every trainers leaf registers itself."""
