"""From the command line to a finished run: configuration, the Lab, the living engine, sweeps and resuming."""
