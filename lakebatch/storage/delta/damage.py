"""Search for the data files that cannot be read, and reads that name them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lakebatch._files import ABSENT, check_readable
from lakebatch.errors import DamageError, DamageWarning, LakebatchError, SchemaError, StorageError, warn
from lakebatch.ids import ExperimentName
from lakebatch.storage.delta.diagnosis import one_line
from lakebatch.storage.delta.reader import read_latest
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import DataFile, TableVersion, collect

READ_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""Errors that engines raise when they read files."""
# How engines say that a file is missing; the rest of their message may name another file
MISSING = ("NoSuchKey", "404 Not Found", "No such file", "os error 2")
MAX_NAMED = 3
"""Number of files or assemblies that a message names."""


@dataclass(frozen=True)
class Fault:
    """A file or table that cannot be read.

    Attributes
    ----------
    what : str
        The file or table and what is wrong with it, in words.
    name : str
        The experiment.
    assembly_id : str or None
        Whose rows are lost; None where the fault concerns more than one assembly.
    advice : str
        What mends it.
    is_whole : bool
        Whether the file may be whole, and only cannot be reached.
    """

    what: str
    name: str
    assembly_id: str | None
    advice: str
    is_whole: bool = False

    def __str__(self) -> str:
        return f"{self.what}. {self.advice}"

    def error(self) -> StorageError:
        """Return the error to raise when the fault keeps rows from being read."""
        if self.is_whole:
            return StorageError(str(self))
        error = DamageError(str(self))
        error.assembly_id = self.assembly_id
        return error

    @classmethod
    def of(cls, error: LakebatchError, name: str) -> Fault:
        """Return the fault that an error describes."""
        is_whole = not isinstance(error, DamageError | SchemaError)
        return cls(str(error).rstrip("."), name, None, f"See: lakebatch doctor {name}", is_whole)


def check_files(table: TableVersion, assembly_ids: Collection[str] | None = None) -> None:
    """Raise `DamageError` unless every file of some assemblies is on disk with the size that its log has.

    On S3 an object is never cut off and each look takes a request, so a missing object is found when it is read.
    """
    for fault in find_faults(table, assembly_ids):
        raise fault.error()


def find_faults(table: TableVersion, assembly_ids: Collection[str] | None = None) -> Iterator[Fault]:
    """Yield each file of some assemblies that is not on disk with the size that its log has; none on S3."""
    for file in table.data_files(assembly_ids) if table.is_local else ():
        if fault := _fault_on_disk(table, file):
            yield fault


def find_unreadable(
    table: TableVersion,
    assembly_ids: Collection[str] | None = None,
    read: Callable[[str], object] | None = None,
) -> Iterator[Fault]:
    """Yield each file of some assemblies that cannot be read, by reading all of them.

    Parameters
    ----------
    read : callable, optional
        Reads the file at a path in another engine too.
    """
    for file in table.data_files(assembly_ids):
        try:
            table.read_file(file)
            if read is not None:
                read(f"{table.uri}/{file.path}")
        except READ_ERRORS as error:
            yield _fault_of_file(table, file, error)


@contextmanager
def translate_read_errors(table: TableVersion, assembly_ids: Collection[str] | None = None) -> Iterator[None]:
    """Raise an engine's error about the rows of some assemblies as one that names the damaged file."""
    try:
        yield
    except LakebatchError:
        raise
    except READ_ERRORS as error:
        if table.storage.explain(error):
            raise read_error(table, error) from error
        raise _error_of_file(table, assembly_ids, error) from error


def read_error(table: TableVersion, error: BaseException) -> StorageError:
    """Return the error to raise when no single file keeps a table from being read."""
    explained = table.storage.explain(error)
    return StorageError(
        f"Cannot read {table.uri}: "
        + (explained or f"{one_line(error)}. Look closer with: lakebatch doctor --deep")
    )


def read_rows(
    table: TableVersion, rows: pl.LazyFrame, assembly_ids: Collection[str] | None = None
) -> pl.DataFrame:
    """Return rows of some assemblies of a table, or raise an error that names the damaged file."""
    check_files(table, assembly_ids)
    with translate_read_errors(table, assembly_ids):
        return collect(rows)


def all_rows(table: Table, state: TableVersion) -> pl.DataFrame:
    """Return all rows of a state of a small table, or raise an error that names the damaged file.

    On S3, files that this process has read before are not fetched again.
    """
    if state.is_local or not state.is_plain:
        return read_rows(state, state.scan())
    with translate_read_errors(state):
        return table.kept_rows.of(state, table.path)


def newest_rows(table: Table, first: TableVersion | None = None) -> pl.DataFrame:
    """Return the newest rows of a table from every file that can be read; warn of each damaged file.

    ``first`` is the state to read first, see `read_latest`.
    """
    readable, lost = newest_readable(table, first)
    warn_of_lost(lost)
    return readable


def warn_of_lost(faults: Iterable[Fault]) -> None:
    """Warn of each damaged file; raise if a file may be whole and cannot be reached."""
    for fault in faults:
        if fault.is_whole:
            raise fault.error()
        warn(str(fault), DamageWarning)


def newest_readable(table: Table, first: TableVersion | None = None) -> tuple[pl.DataFrame, list[Fault]]:
    """Return the newest rows of a table from every file that can be read, and the other files."""
    try:
        return read_latest(table, lambda state: all_rows(table, state), first), []
    except StorageError:
        return readable_rows(table.at())


def readable_rows(table: TableVersion) -> tuple[pl.DataFrame, list[Fault]]:
    """Return the rows of every file that can be read, and the other files."""
    frames, lost = [collect(table.scan().head(0))], []
    for file in table.data_files():
        try:
            frames.append(table.read_file(file).select(frames[0].columns))
        except READ_ERRORS as error:
            lost.append(_fault_of_file(table, file, error))
    return pl.concat(frames), lost


def _error_of_file(
    table: TableVersion, assembly_ids: Collection[str] | None, error: BaseException
) -> StorageError:
    for fault in find_unreadable(table, assembly_ids):
        return fault.error()
    for bundle in table.sources(assembly_ids).bundles:
        try:
            collect(table.scan_bundle(bundle))
        except READ_ERRORS as reason:
            return DamageError(
                f"{bundle} cannot be read ({one_line(reason)}). Remove it: it only repeats rows, to be read quickly."
            )
    return read_error(table, error)


def _fault_of_file(table: TableVersion, file: DataFile, error: BaseException) -> Fault:
    """Return the fault of a file that an engine could not read; raise if the whole place cannot be read."""
    if table.storage.explain(error):
        raise read_error(table, error) from error
    if any(words in str(error) for words in MISSING):
        return _damaged(table, file, "is missing")
    return _fault_on_disk(table, file) or _damaged(table, file, f"cannot be read ({one_line(error)})")


def _fault_on_disk(table: TableVersion, file: DataFile) -> Fault | None:
    if not table.is_local:
        return None
    path = f"{table.uri}/{file.path}"
    try:
        size = os.stat(path).st_size
        if not os.access(path, os.R_OK):
            check_readable(Path(path))
    except ABSENT:
        return _damaged(table, file, "is missing")
    except StorageError as error:
        return _out_of_reach(table, file, error.__cause__ or error)
    except OSError as error:
        return _out_of_reach(table, file, error)
    if size == file.size:
        return None
    return _damaged(table, file, f"is damaged: it has {size} bytes, its log says {file.size}")


def _out_of_reach(table: TableVersion, file: DataFile, error: BaseException) -> Fault:
    """Return the fault of a file that may be whole, but that rights or the disk keep from being read."""
    why = getattr(error, "strerror", None) or one_line(error)
    what = f"Cannot read {_label(table, file)}: {why}"
    return Fault(what, _experiment(table), file.assembly_id, "Expected a readable file.", is_whole=True)


def _damaged(table: TableVersion, file: DataFile, what: str) -> Fault:
    name = _experiment(table)
    advice = f"Restore it with: lakebatch repair {name}"
    return Fault(f"{_label(table, file)} {what}", name, file.assembly_id, advice)


def _label(table: TableVersion, file: DataFile) -> str:
    return f"{table.uri}/{file.path}{f' of {file.assembly_id}' if file.assembly_id else ''}"


def _experiment(table: TableVersion) -> str:
    return str(ExperimentName.parse(table.uri.rsplit("/", 2)[-2]))
