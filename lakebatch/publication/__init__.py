"""A tag as a folder that stands by itself, written for others and read back."""
