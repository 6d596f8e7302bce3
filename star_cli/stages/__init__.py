"""One leaf, one file: every stages leaf registers itself."""
