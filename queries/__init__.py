"""Named SQL queries, as data."""
