"""Older scripts and files: their import, the older interface, and frames of any columns."""
