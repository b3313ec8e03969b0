"""Purge: removal of a discarded assembly's files for good."""

from lakebatch.maintenance.purge.execution import COLUMNS, purge

__all__ = ["COLUMNS", "purge"]
