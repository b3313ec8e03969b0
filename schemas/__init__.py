"""The columns of every table, as data."""
