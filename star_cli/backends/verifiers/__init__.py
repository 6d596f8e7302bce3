"""One leaf, one file: every verifiers leaf registers itself."""
