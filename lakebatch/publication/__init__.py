"""A tag as a folder that stands by itself: data, metadata and record for others, written and read back."""
