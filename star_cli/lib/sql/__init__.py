"""SQL on SQLite files: executed without trust, compared as results, parsed for hardness and exact-set match."""
