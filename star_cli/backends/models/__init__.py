"""One leaf, one file: every models leaf registers itself."""
