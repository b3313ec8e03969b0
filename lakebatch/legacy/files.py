"""The frame in a file, whatever form it has; and what identifies it."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from lakebatch.errors import LegacyError, SchemaError
from lakebatch.frames.columns import brief, storable
from lakebatch.frames.levels import as_level
from lakebatch.frames.results import left_out, to_results
from lakebatch.legacy.names import BatchFile, Listed
from lakebatch.legacy.pickled import read_pickle
from lakebatch.storage import Storage, locate
from lakebatch.uris import absolute, is_uri


@dataclass(frozen=True)
class Item:
    """A file that can be imported: what is known of it without its rows, and what the list says of its id."""

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
        """What makes two files the same: name, id and content."""
        return self.name, self.id, self.sha256

    @property
    def level(self) -> float | None:
        """The level that the id is, if it is one."""
        return as_level(self.id)


def open_source(place: str) -> Storage:
    """Return the folder or the prefix on S3 that files are imported from."""
    return locate(place) if is_uri(place) else Storage(absolute(place))


def inspect(source: Storage, batch_file: BatchFile, listed: Listed | None) -> Item:
    """Read a file and return what is to be known of it.

    Raises
    ------
    LegacyError
        If it holds no frame that can be stored.
    """
    data = source.read(batch_file.file.path)
    frame = decode(data, batch_file.form)
    results = to_results(frame, as_level(batch_file.id))
    levels = results.rows["level"].drop_nulls().unique().sort() if results and "level" in results.rows else ()
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


def read_again(source: Storage, item: Item) -> pl.DataFrame:
    """Return the frame of a file that was inspected.

    Raises
    ------
    LegacyError
        If the file has changed since.
    """
    data = source.read(item.file)
    if hashlib.sha256(data).hexdigest() != item.sha256:
        raise LegacyError(f"{source.join(item.file)} has changed while it was imported. Import again.")
    return decode(data, item.form)


def decode(data: bytes, form: str) -> pl.DataFrame:
    """Return the frame in a file's content.

    Raises
    ------
    LegacyError
        If there is none, or none that can be stored.
    """
    if not data:
        raise LegacyError("it is empty")
    try:
        frame = storable(_frame(data, form))
    except (pl.exceptions.PolarsError, SchemaError) as error:
        raise LegacyError(brief(error)) from error
    if frame.is_empty():
        raise LegacyError("its frame has no rows")
    return frame


def _frame(data: bytes, form: str) -> pl.DataFrame:
    if form == "pkl":
        return read_pickle(data)
    if form == "parquet":
        return pl.read_parquet(io.BytesIO(data))
    return pl.read_csv(io.BytesIO(data), infer_schema_length=None)
