"""Import of what was written before there was a lake: a list as CSV and one file per assembly."""
