"""A process that may be killed: programs written by a model run here."""
