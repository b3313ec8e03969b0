"""DuckDB over a snapshot of a lake, and named queries."""
