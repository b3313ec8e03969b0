"""Files of the older layout: their frames, and the identity of their content."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from lakebatch._files import O_NOFOLLOW, O_NONBLOCK
from lakebatch._text import holds_secret
from lakebatch.errors import LegacyError, SchemaError, StorageError
from lakebatch.legacy.compressed import unpacked
from lakebatch.legacy.csv_files import read_csv
from lakebatch.legacy.frames.columns import brief, storable
from lakebatch.legacy.frames.levels import as_level, level_in_text, level_text
from lakebatch.legacy.frames.results import left_out, our_name, to_results
from lakebatch.legacy.names import BatchFile, Listed
from lakebatch.legacy.pickles.pickled import read_pickle
from lakebatch.storage import Storage, locate
from lakebatch.storage.place import StoredFile
from lakebatch.storage.uris import absolute, is_uri

NO_FILE = {
    errno.ELOOP: "it is a link, which is not followed",
    errno.ENXIO: "it is a socket or a device, which is not read",
}
"""Why something other than a file is left out, by the error that opening it gives."""


@dataclass(frozen=True)
class Item:
    """A file that can be imported: its properties without its rows, and the rows of the list for its id."""

    name: str
    id: str
    written_id: str
    file: str
    form: str
    bytes: int
    modified: datetime
    sha256: str
    rows: int
    results: bool
    levels: tuple[float, ...]
    left_out: tuple[str, ...]
    list_rows: tuple[tuple[str, str, str], ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """The identity of a file: name, id and content."""
        return self.name, self.id, self.sha256

    @property
    def level(self) -> float | None:
        """The level that the id means, if it means one."""
        return as_level(self.id)


def open_source(place: str) -> Storage:
    """Return the folder, or the prefix on S3, from which files are imported."""
    return locate(place) if is_uri(place) else Storage(absolute(place))


def inspect(source: Storage, batch_file: BatchFile, listed: Listed | None) -> Item:
    """Read a file and return its properties.

    Raises
    ------
    LegacyError
        If it is not a regular file, has no frame that can be stored, or rows of another level than its name.
    """
    if holds_secret(batch_file.name):
        raise LegacyError("its name holds the value of a secret setting, and would be recorded. Rename it")
    data = content(source, batch_file.file)
    frame = decode(data, batch_file.form)
    results = to_results(frame, as_level(batch_file.id))
    levels = results.rows["level"].drop_nulls().unique().sort() if results and "level" in results.rows else ()
    _check_levels_are_numbers(frame)
    _check_level(as_level(batch_file.id), tuple(levels))
    return Item(
        name=batch_file.name,
        id=batch_file.id,
        written_id=batch_file.written_id,
        file=batch_file.file.path,
        form=batch_file.form,
        bytes=len(data),
        modified=batch_file.file.at,
        sha256=hashlib.sha256(data).hexdigest(),
        rows=frame.height,
        results=results is not None,
        levels=tuple(levels),
        left_out=tuple(left_out(frame, results)),
        list_rows=listed.rows if listed else (),
    )


def _check_levels_are_numbers(frame: pl.DataFrame) -> None:
    for column in frame:
        if our_name(column.name) == "level" and column.dtype == pl.String:
            others = [each for each in column if each is not None and level_in_text(each) is None]
            if others:
                raise LegacyError(
                    f"its column {column.name!r} has {others[0]!r}, which is no level. Write numbers"
                )


def _check_level(named: float | None, levels: Sequence[float]) -> None:
    others = [level_text(level) for level in levels if named is not None and not math.isclose(level, named)]
    if others:
        raise LegacyError(
            f"its name says level {level_text(named or 0.0)}, its rows say {', '.join(others[:5])}. Rename it, or mend its "
            "rows"
        )


def read_again(source: Storage, item: Item) -> pl.DataFrame:
    """Return the frame of a file that was inspected.

    Raises
    ------
    LegacyError
        If the file has changed since.
    """
    data = content(source, StoredFile(item.file, item.bytes, item.modified))
    if hashlib.sha256(data).hexdigest() != item.sha256:
        raise LegacyError(f"{source.join(item.file)} has changed while it was imported. Import again.")
    return decode(data, item.form)


def content(source: Storage, file: StoredFile) -> bytes:
    """Return the content of a file, without following a link or waiting for a pipe.

    Raises
    ------
    LegacyError
        If it is not a regular file, or too large for this machine.
    """
    _check_size(file.size)
    try:
        return _read_regular(Path(source.uri, file.path)) if source.is_local else source.read(file.path)
    except MemoryError as error:
        raise LegacyError("it does not fit into memory") from error


def _read_regular(path: Path) -> bytes:
    try:
        opened = os.open(path, os.O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    except OSError as error:
        if error.errno in NO_FILE:
            raise LegacyError(NO_FILE[error.errno]) from error
        raise StorageError(f"Cannot read {path}: {error.strerror}. Expected a readable file.") from error
    with open(opened, "rb") as file:
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode):
            raise LegacyError("it is a pipe or a device, which is not read")
        _check_size(about.st_size)
        return file.read(_max_bytes())


def _check_size(size: int) -> None:
    if size > _max_bytes():
        raise LegacyError(
            f"it has {size / 1e9:.1f} GB, more than the {_max_bytes() / 1e9:.1f} GB that are read at once here"
        )


def _max_bytes() -> int:
    """Return the maximum size of a file in bytes: it must fit into memory together with its frame."""
    if sys.platform == "win32":  # imports are refused there
        raise NotImplementedError
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def decode(data: bytes, form: str) -> pl.DataFrame:
    """Return the frame in a file's content.

    Raises
    ------
    LegacyError
        If there is none, or it cannot be stored.
    """
    if not data:
        raise LegacyError("it is empty")
    try:
        frame = storable(_frame(unpacked(data, _max_bytes()), form))
    except (pl.exceptions.PolarsError, SchemaError) as error:
        raise LegacyError(brief(error)) from error
    if frame.is_empty():
        raise LegacyError("its frame has no rows")
    return frame


def _frame(data: bytes, form: str) -> pl.DataFrame:
    if form == "pkl":
        return read_pickle(data)
    if form == "parquet":
        _check_unpacked(data)
        return pl.read_parquet(io.BytesIO(data))
    return read_csv(data)


def _check_unpacked(data: bytes) -> None:
    """Refuse a Parquet file whose rows would not fit into memory, however small the file is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.ParquetFile(io.BytesIO(data)).metadata
    except (pa.ArrowException, OSError) as error:
        raise LegacyError(brief(error)) from error
    groups = (about.row_group(index).total_byte_size for index in range(about.num_row_groups))
    _check_size(max(8 * about.num_rows * about.num_columns, sum(groups)))
