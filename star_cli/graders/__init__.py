"""One leaf, one file: every graders leaf registers itself."""
