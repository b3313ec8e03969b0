"""Files that cannot be read: which they are, whose rows they hold, and how the rest is read without them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lakebatch._files import ABSENT, check_readable
from lakebatch._warnings import warn
from lakebatch.errors import (
    DamageError,
    DamageWarning,
    LakebatchError,
    SchemaError,
    StorageError,
    UnreadableWarning,
)
from lakebatch.storage.delta.read_again import MAX_RENEWALS, read_latest
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import DataFile, TableVersion, collect
from lakebatch.storage.s3_errors import explain

REOPENED = MAX_RENEWALS
READ_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
# How the engines say that a file is not there; what else they say may name another file
NOT_THERE = ("NoSuchKey", "404 Not Found", "No such file", "os error 2")
MAX_NAMED = 3


@dataclass(frozen=True)
class Fault:
    """Something that cannot be read.

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
        Whether the file may be whole, and only cannot be looked at.
    """

    what: str
    name: str
    assembly_id: str | None
    advice: str
    is_whole: bool = False

    def __str__(self) -> str:
        return f"{self.what}. {self.advice}"

    def error(self) -> StorageError:
        """Return the error to raise where it keeps something from being read."""
        if self.is_whole:
            return StorageError(str(self))
        error = DamageError(str(self))
        error.assembly_id = self.assembly_id
        return error

    @classmethod
    def of(cls, error: LakebatchError, name: str) -> Fault:
        """Return what an error says of something that cannot be read at all."""
        is_whole = not isinstance(error, DamageError | SchemaError)
        return cls(str(error).rstrip("."), name, None, f"See: lakebatch doctor {name}", is_whole)


def check(table: TableVersion, assembly_ids: Collection[str] | None = None) -> None:
    """Raise `DamageError` unless every file of some assemblies is on disk with the size that its log has.

    On S3, where an object is never cut off and asking for each takes long, a missing one is found when it is read.
    """
    for fault in faults(table, assembly_ids):
        raise fault.error()


def faults(table: TableVersion, assembly_ids: Collection[str] | None = None) -> Iterator[Fault]:
    """Yield each file of some assemblies that is not on disk with the size that its log has; none of S3."""
    for file in table.data_files(assembly_ids) if table.is_local else ():
        if fault := _fault_on_disk(table, file):
            yield fault


def faults_inside(
    table: TableVersion,
    assembly_ids: Collection[str] | None = None,
    read: Callable[[str], object] | None = None,
) -> Iterator[Fault]:
    """Yield each file of some assemblies that cannot be read, found by reading them all.

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
        except READ_FAULTS as reason:
            if explain(str(reason)):
                raise unexplained(table, reason) from reason
            yield _found(table, file, reason)


@contextmanager
def named(table: TableVersion, assembly_ids: Collection[str] | None = None) -> Iterator[None]:
    """Turn what an engine raises when it reads the rows of some assemblies into an error that names the file."""
    try:
        yield
    except LakebatchError:
        raise
    except READ_FAULTS as error:
        if explain(str(error)):
            raise unexplained(table, error) from error
        raise _culprit(table, assembly_ids, error) from error


def rows(
    table: TableVersion, chosen: pl.LazyFrame, assembly_ids: Collection[str] | None = None
) -> pl.DataFrame:
    """Return rows of a table that are those of some assemblies, or name the file that cannot be read."""
    check(table, assembly_ids)
    with named(table, assembly_ids):
        return collect(chosen)


def newest_rows(table: Table, first: TableVersion | None = None) -> pl.DataFrame:
    """Return the rows that a table has now, of every file that can be read; warn of each that is damaged.

    ``first`` is the state to read first, see `read_latest`.
    """
    readable, lost = newest_readable(table, first)
    for fault in lost:
        if fault.is_whole:
            raise fault.error()
        warn(str(fault), DamageWarning)
    return readable


def newest_readable(table: Table, first: TableVersion | None = None) -> tuple[pl.DataFrame, list[Fault]]:
    """Return the rows that a table has now, of every file that can be read, and the files that cannot."""
    try:
        return read_latest(table, lambda pinned: rows(pinned, pinned.scan()), first), []
    except StorageError:
        return readable_rows(table.at())


def readable_rows(table: TableVersion) -> tuple[pl.DataFrame, list[Fault]]:
    """Return the rows of every file that can be read, and the files that cannot."""
    frames, lost = [collect(table.scan().head(0))], []
    for file in table.data_files():
        try:
            frames.append(table.read_file(file).select(frames[0].columns))
        except READ_FAULTS as error:
            if explain(str(error)):
                raise unexplained(table, error) from error
            lost.append(_found(table, file, error))
    return pl.concat(frames), lost


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
    warn(f"{name} is left out: {error} (see: {command})", kind)


def refused(found: Sequence[Fault]) -> StorageError:
    """Return the error to raise where faults keep a dataset from being whole and the rest was not asked for."""
    more = f"; {len(found) - 1} more cannot be read either" if len(found) > 1 else ""
    return with_way_out(found[0].error(), more)


def with_way_out(error: StorageError, more: str = "") -> StorageError:
    """Return the error with the way to read the rest."""
    longer = type(error)(f"{str(error).rstrip('.')}{more}. To read the rest, use --on-gap ignore.")
    if isinstance(longer, DamageError):
        longer.assembly_id = getattr(error, "assembly_id", None)
    return longer


def warn_of(found: Sequence[Fault]) -> None:
    """Warn in one line of what is left out because it cannot be read."""
    if not found:
        return
    named = "; ".join(each.what for each in found[:MAX_NAMED])
    more = f"; and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    kind = UnreadableWarning if any(each.is_whole for each in found) else DamageWarning
    warn(f"Left out: {named}{more}. {found[0].advice}", kind)


def _culprit(table: TableVersion, assembly_ids: Collection[str] | None, error: BaseException) -> StorageError:
    for fault in faults_inside(table, assembly_ids):
        return fault.error()
    for bundle in table.sources(assembly_ids).bundles:
        try:
            collect(table.scan_bundle(bundle))
        except READ_FAULTS as reason:
            return DamageError(
                f"{bundle} cannot be read ({_line(reason)}). Remove it: it only repeats rows, to be read quickly."
            )
    return unexplained(table, error)


def unexplained(table: TableVersion, error: BaseException) -> StorageError:
    """Return the error to raise where no single file keeps a table from being read."""
    if of_s3 := explain(str(error)):
        return StorageError(f"Cannot read {table.uri}: {of_s3}")
    return StorageError(f"Cannot read {table.uri}: {_line(error)}. Look closer with: lakebatch doctor --deep")


def _found(table: TableVersion, file: DataFile, error: BaseException) -> Fault:
    """Return what an engine found when it could not read a file."""
    if of_s3 := explain(str(error)):
        said, _, advice = of_s3.partition(". ")
        what = f"Cannot read {_shown(table, file)}: {said}"
        return Fault(what, _experiment(table), file.assembly_id, advice, is_whole=True)
    if any(hint in str(error) for hint in NOT_THERE):
        return _fault(table, file, "is missing")
    return _fault_on_disk(table, file) or _fault(table, file, f"cannot be read ({_line(error)})")


def _fault_on_disk(table: TableVersion, file: DataFile) -> Fault | None:
    if not table.is_local:
        return None
    path = f"{table.uri}/{file.path}"
    try:
        size = os.stat(path).st_size
        if not os.access(path, os.R_OK):
            check_readable(Path(path))
    except ABSENT:
        return _fault(table, file, "is missing")
    except StorageError as error:
        return _unreadable(table, file, error.__cause__ or error)
    except OSError as error:
        return _unreadable(table, file, error)
    return (
        None
        if size == file.size
        else _fault(table, file, f"is damaged: it has {size} bytes, its log says {file.size}")
    )


def _unreadable(table: TableVersion, file: DataFile, error: BaseException) -> Fault:
    """Return the fault of a file that may be whole, and that this user or disk does not give."""
    why = getattr(error, "strerror", None) or _line(error)
    what = f"Cannot read {_shown(table, file)}: {why}"
    return Fault(what, _experiment(table), file.assembly_id, "Expected a readable file.", is_whole=True)


def _fault(table: TableVersion, file: DataFile, what: str) -> Fault:
    name = _experiment(table)
    return Fault(
        f"{_shown(table, file)} {what}", name, file.assembly_id, f"Restore it with: lakebatch repair {name}"
    )


def _shown(table: TableVersion, file: DataFile) -> str:
    return f"{table.uri}/{file.path}{f' of {file.assembly_id}' if file.assembly_id else ''}"


def _experiment(table: TableVersion) -> str:
    return table.uri.rsplit("/", 2)[-2].split("_", 2)[-1]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
