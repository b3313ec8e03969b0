"""Writes rows as a lost data file, under its path and in its size, so that no log has to change."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lakebatch.errors import DamageError
from lakebatch.maintenance.inspection.reference import Reference
from lakebatch.maintenance.inspection.rows import UNREADABLE, fingerprint_of
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.repair.outcome import CannotHealError
from lakebatch.storage.delta.commit_metadata import fingerprint
from lakebatch.storage.delta.encodings import forms

# At the end of a Parquet file stand its footer, four bytes with the length of the footer, and four of magic.
TAIL = 8


def require_place(table: InspectedTable, reference: Reference) -> None:
    """Raise `CannotHealError` if a data file cannot be put where a log names it."""
    uri = table.storage.join(f"{table.path}/{reference.path}")
    if table.storage.is_local and Path(uri).is_dir():
        raise CannotHealError(f"there is a folder in its place; move it away: {uri}")


def place(table: InspectedTable, reference: Reference, rows: pl.DataFrame) -> None:
    """Write rows as the data file that a log names, whole or not at all.

    Raises
    ------
    CannotHealError
        If no encoding of the rows fits into the size in the log.
    """
    if rows.height != reference.rows:
        raise CannotHealError(f"it had {reference.rows} rows, and its commits added {rows.height}")
    content = fitted(table, reference, rows)
    expected = fingerprint([rows])
    try:
        actual = fingerprint_of(content, reference, table)
    except UNREADABLE as error:
        raise DamageError(f"What was written for {reference.path} cannot be read: {error}") from error
    if actual != expected:
        raise DamageError(f"Rows of {table.path} changed while they were written. Check this machine.")
    table.storage.check_space(len(content))
    table.storage.write(f"{table.path}/{reference.path}", content)


def fitted(table: InspectedTable, reference: Reference, rows: pl.DataFrame) -> bytes:
    """Return a Parquet file with the given rows, in exactly the size in the log."""
    metadata = table.metadata(reference.version)
    smallest: bytes | None = None
    for content in forms(rows, metadata["schemaString"], metadata["partitionColumns"]):
        if len(content) == reference.size:
            return content
        if smallest is None or len(content) < len(smallest):
            smallest = content
    if smallest is None or len(smallest) > reference.size:
        raise CannotHealError(
            f"its rows take at least {len(smallest or b'')} bytes, and the log says {reference.size}"
        )
    return padded(smallest, reference.size)


def padded(content: bytes, size: int) -> bytes:
    """Return a Parquet file with padding before its footer, where no offset changes.

    >>> padded(b"PAR1" + b"columns" + b"footer" + bytes([6, 0, 0, 0]) + b"PAR1", 30)
    b'PAR1columns\\x00\\x00\\x00\\x00\\x00footer\\x06\\x00\\x00\\x00PAR1'
    """
    footer = int.from_bytes(content[-TAIL:-4], "little") + TAIL
    return content[:-footer] + bytes(size - len(content)) + content[-footer:]
