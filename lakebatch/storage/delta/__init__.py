"""Delta tables: create, append exactly once, read at a version, merge. The only imports of deltalake."""
