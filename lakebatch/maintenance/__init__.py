"""Optimize, vacuum, disk usage and bundles; doctor and repair."""
