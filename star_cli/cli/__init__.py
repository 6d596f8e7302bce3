"""The only door to typer: parses, calls, prints."""
