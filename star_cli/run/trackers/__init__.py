"""Where a run is reported beside the terminal."""
