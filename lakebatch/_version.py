"""The version of lakebatch."""

__version__ = "0.2.0"
