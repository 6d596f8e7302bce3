"""The shipped configuration: config.yaml composes the parts; experiment/ holds small differences to it."""
