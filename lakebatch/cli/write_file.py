"""Parquet, CSV and Arrow files, written piece by piece and replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet

from lakebatch._files import check_replaceable, replace_atomically
from lakebatch.cli.render import flatten
from lakebatch.errors import ConfigError, SchemaError
from lakebatch.storage.delta.engine import plain_schema

METADATA_KEY = "lakebatch"
SUFFIXES = (".parquet", ".csv", ".arrow")
Write = Callable[[pl.DataFrame], None]


def check_file(file: Path) -> None:
    """Raise `ConfigError` for an unknown file format, `StorageError` for a file that cannot be written."""
    if file.suffix not in SUFFIXES:
        raise ConfigError(f"Cannot write {file}. Expected a name that ends in {', '.join(SUFFIXES)}.")
    check_replaceable(file)


def write(
    pieces: Iterable[pl.DataFrame], file: Path, about: Mapping[str, str] | None = None
) -> tuple[int, int]:
    """Write frames of the same columns, one after the other, in the format of the file's suffix.

    Only one of them is in memory at a time, and an existing file is replaced only after the last.

    Parameters
    ----------
    about : mapping, optional
        What Parquet and Arrow files say of themselves, as JSON under the key ``lakebatch`` of their metadata.

    Returns
    -------
    rows, columns : int
    """
    check_file(file)
    try:
        with replace_atomically(file) as partial:
            return _write(pieces, partial, file.suffix, about or {})
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise SchemaError(
            f"Cannot write {file}: {' '.join(str(error).split()).rstrip('.')}. Cast that column, or write another format."
        ) from error


def _write(
    pieces: Iterable[pl.DataFrame], file: Path, ending: str, about: Mapping[str, str]
) -> tuple[int, int]:
    rows = iter(pieces)
    first = next(rows, pl.DataFrame())
    height = 0
    with _OPEN[ending](file, first, about) as write_piece:
        for piece in _chain(first, rows):
            write_piece(piece)
            height += piece.height
    return height, first.width


def _chain(first: pl.DataFrame, rest: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    yield first
    yield from rest


def _schema(first: pl.DataFrame, about: Mapping[str, str]) -> pa.Schema:
    schema = plain_schema(first.to_arrow().schema)
    return schema.with_metadata({METADATA_KEY: json.dumps(about, ensure_ascii=False)}) if about else schema


@contextmanager
def _parquet(file: Path, first: pl.DataFrame, about: Mapping[str, str]) -> Iterator[Write]:
    schema = _schema(first, about)
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield lambda piece: writer.write_table(piece.to_arrow().cast(schema))


@contextmanager
def _arrow(file: Path, first: pl.DataFrame, about: Mapping[str, str]) -> Iterator[Write]:
    schema = _schema(first, about)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        yield lambda piece: writer.write_table(piece.to_arrow().cast(schema))


@contextmanager
def _csv(file: Path, first: pl.DataFrame, about: Mapping[str, str]) -> Iterator[Write]:
    with file.open("wb") as sink:
        header = [True]

        def write_piece(piece: pl.DataFrame) -> None:
            flatten(piece).write_csv(sink, include_header=header[0])
            header[0] = False

        yield write_piece


_OPEN = {".parquet": _parquet, ".csv": _csv, ".arrow": _arrow}
