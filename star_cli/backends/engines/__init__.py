"""One leaf, one file: every engines leaf registers itself."""
