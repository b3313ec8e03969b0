"""One Delta table: create it, append to it exactly once, read it at a version. The only import of deltalake."""

from lakebatch.delta.engine import FINGERPRINT, PART, Data
from lakebatch.delta.files import compact, vacuum
from lakebatch.delta.table import Commit, Table
from lakebatch.delta.version import DataFile, TableVersion, collect

__all__ = [
    "FINGERPRINT",
    "PART",
    "Commit",
    "Data",
    "DataFile",
    "Table",
    "TableVersion",
    "collect",
    "compact",
    "vacuum",
]
