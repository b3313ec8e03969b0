"""One Delta table: create it, append to it exactly once, read it at a version. The only import of deltalake."""

from lakebatch.delta import bundles, checkpoints
from lakebatch.delta.compaction import compact, write_rows
from lakebatch.delta.engine import FINGERPRINT, PART, Data
from lakebatch.delta.kept import Kept
from lakebatch.delta.reader import Commit
from lakebatch.delta.replacement import NewFile, Replacement, replace
from lakebatch.delta.table import Table
from lakebatch.delta.vacuum import vacuum
from lakebatch.delta.version import Arrange, DataFile, TableVersion, collect
from lakebatch.delta.written import forms

__all__ = [
    "FINGERPRINT",
    "PART",
    "Arrange",
    "Commit",
    "Data",
    "DataFile",
    "Kept",
    "NewFile",
    "Replacement",
    "Table",
    "TableVersion",
    "bundles",
    "checkpoints",
    "collect",
    "compact",
    "forms",
    "replace",
    "vacuum",
    "write_rows",
]
