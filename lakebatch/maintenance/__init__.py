"""Optimize, vacuum, purge, disk usage and bundles; doctor and repair."""
