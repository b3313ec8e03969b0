"""The command line: one thin command per verb; the only place that prints."""

from lakebatch.cli.main import main

__all__ = ["main"]
