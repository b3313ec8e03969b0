"""Finds the damaged file behind rows that cannot be read, and says how to read the rest without it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import polars as pl

from lakebatch.delta import DataFile, Table, TableVersion, collect
from lakebatch.errors import (
    DamageError,
    DamageWarning,
    LakebatchError,
    SchemaError,
    StorageError,
    UnreadableWarning,
)
from lakebatch.local import ABSENT, check_readable, unreadable
from lakebatch.s3 import explain

Result = TypeVar("Result")

REOPENED = 10
"""How often a read begins again because the files it was about to read have been merged and removed."""
READ_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


def check(table: TableVersion, assembly_ids: Collection[str] | None = None) -> None:
    """Raise `DamageError` unless every file of some assemblies is on disk with the size that its log has.

    On S3, where an object is never cut off and asking for each takes long, a missing one is found when it is read.
    """
    for file in table.data_files(assembly_ids) if table.is_local else ():
        if fault := _fault_on_disk(table, file):
            raise _error(table, file, fault)


@contextmanager
def named(table: TableVersion, assembly_ids: Collection[str] | None = None) -> Iterator[None]:
    """Turn what an engine raises when it reads the rows of some assemblies into an error that names the file."""
    try:
        yield
    except LakebatchError:
        raise
    except READ_FAULTS as error:
        if of_s3 := explain(str(error)):
            raise StorageError(f"Cannot read {table.uri}: {of_s3}") from error
        raise _culprit(table, assembly_ids, error) from error


def rows(
    table: TableVersion, chosen: pl.LazyFrame, assembly_ids: Collection[str] | None = None
) -> pl.DataFrame:
    """Return rows of a table that are those of some assemblies, or name the file that cannot be read."""
    check(table, assembly_ids)
    with named(table, assembly_ids):
        return collect(chosen)


def steadily(table: Table, read: Callable[[TableVersion], Result]) -> Result:
    """Return what is read, at once, of a table as it is now; again if its files were merged and removed meanwhile."""
    for attempt in range(REOPENED):
        pinned = table.at() if attempt else table.newest()
        try:
            return read(pinned)
        except DamageError:
            if table.at().number == pinned.number:
                raise
    return read(table.at())


def newest_rows(table: Table) -> pl.DataFrame:
    """Return the rows that a table has now, of every file that can be read; warn of each that cannot."""
    try:
        return steadily(table, lambda pinned: rows(pinned, pinned.scan()))
    except DamageError:
        return readable_rows(table.at())


def readable_rows(table: TableVersion) -> pl.DataFrame:
    """Return the rows of every file that can be read; warn of each that cannot."""
    try:
        return rows(table, table.scan())
    except DamageError:
        pass
    frames = [collect(table.scan().head(0))]
    for file in table.data_files():
        try:
            frames.append(table.read_file(file).select(frames[0].columns))
        except READ_FAULTS as error:
            warnings.warn(str(_error(table, file, _reason(table, file, error))), DamageWarning, stacklevel=3)
    return pl.concat(frames)


@contextmanager
def reported(name: str, *, refuse: bool = False) -> Iterator[None]:
    """Leave out what cannot be read, with a warning that names it and the damaged file; or refuse."""
    try:
        yield
    except (StorageError, SchemaError) as error:
        if refuse:
            raise
        warn_left_out(name, error)


def warn_left_out(name: str, error: LakebatchError) -> None:
    """Warn that something cannot be read and is left out."""
    command = f"lakebatch doctor {name.partition('.')[0].replace('_', '-')}"
    kind = DamageWarning if isinstance(error, DamageError | SchemaError) else UnreadableWarning
    warnings.warn(f"{name} is left out: {error} (see: {command})", kind, stacklevel=4)


def _culprit(table: TableVersion, assembly_ids: Collection[str] | None, error: BaseException) -> StorageError:
    for file in table.data_files(assembly_ids):
        try:
            table.read_file(file)
        except READ_FAULTS as reason:
            return _error(table, file, _reason(table, file, reason))
    for bundle in table.sources(assembly_ids).bundles:
        try:
            collect(table.scan_bundle(bundle))
        except READ_FAULTS as reason:
            return DamageError(
                f"{bundle} cannot be read ({_line(reason)}). Remove it: it only repeats rows, to be read quickly."
            )
    return StorageError(f"Cannot read {table.uri}: {_line(error)}. Look closer with: lakebatch doctor --deep")


def _reason(table: TableVersion, file: DataFile, error: BaseException) -> str:
    fault = _fault_on_disk(table, file)
    if fault is None and table.is_local:
        check_readable(Path(table.uri, file.path))
    return fault or f"cannot be read ({_line(error)})"


def _fault_on_disk(table: TableVersion, file: DataFile) -> str | None:
    if not table.is_local:
        return None
    path = f"{table.uri}/{file.path}"
    try:
        size = os.stat(path).st_size
    except ABSENT:
        return "is missing"
    except OSError as error:
        raise unreadable(error, path, "file") from error
    if not os.access(path, os.R_OK):
        check_readable(Path(path))
    return None if size == file.size else f"is damaged: it has {size} bytes, its log says {file.size}"


def _error(table: TableVersion, file: DataFile, fault: str) -> DamageError:
    name = table.uri.rsplit("/", 2)[-2].split("_", 2)[-1]
    if file.assembly_id is None:
        advice = f"Put it back from a backup, and see what is affected with: lakebatch doctor {name}"
    else:
        advice = f"Put it back from a backup, or leave the assembly out with: lakebatch discard {name} {file.assembly_id}"
    of = f" of {file.assembly_id}" if file.assembly_id else ""
    return DamageError(f"{table.uri}/{file.path}{of} {fault}. {advice}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
