"""Parquet, CSV and Arrow files, written piece by piece and replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet

from lakebatch._files import check_replaceable, replace_atomically
from lakebatch.errors import ConfigError, SchemaError
from lakebatch.snapshot.values import flatten
from lakebatch.storage.delta.engine import plain_schema

METADATA_KEY = "lakebatch"
SUFFIXES = (".parquet", ".csv", ".arrow")
Write = Callable[[pl.DataFrame], None]


class _Metadata(NamedTuple):
    """What a file says of itself and of its columns."""

    about: Mapping[str, Any]
    described: pa.Schema | None


def check_file(file: Path) -> None:
    """Raise `ConfigError` for an unknown file format, `StorageError` for a file that cannot be written."""
    if file.suffix not in SUFFIXES:
        raise ConfigError(f"Cannot write {file}. Expected a name that ends in {', '.join(SUFFIXES)}.")
    check_replaceable(file)
    if file.suffix == ".csv":
        check_replaceable(beside(file))


def write(
    pieces: Iterable[pl.DataFrame],
    file: Path,
    about: Mapping[str, Any] | None = None,
    described: pa.Schema | None = None,
) -> tuple[int, int]:
    """Write frames of the same columns, one after the other, in the format of the file's suffix.

    Only one of them is in memory at a time, and an existing file is replaced only after the last.

    Parameters
    ----------
    about : mapping, optional
        What the file says of itself, as JSON: Parquet and Arrow files under the key ``lakebatch`` of their metadata,
        a CSV file in FILE.csv.json beside it.
    described : pyarrow.Schema, optional
        Columns with comments and units, which Parquet and Arrow files keep as metadata of their fields, and a CSV file
        under ``columns`` of the file beside it.

    Returns
    -------
    rows, columns : int
    """
    check_file(file)
    metadata = _Metadata(about or {}, described)
    try:
        with replace_atomically(file) as partial:
            size = _write(pieces, partial, file.suffix, metadata)
        if file.suffix == ".csv" and about:
            _write_beside(file, {**about, **_columns(metadata)})
        return size
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise SchemaError(
            f"Cannot write {file}: {' '.join(str(error).split()).rstrip('.')}. Cast that column, or write another format."
        ) from error


def _write(pieces: Iterable[pl.DataFrame], file: Path, ending: str, metadata: _Metadata) -> tuple[int, int]:
    rows = iter(pieces)
    first = next(rows, pl.DataFrame())
    height = 0
    with _OPEN[ending](file, first, metadata) as write_piece:
        for piece in _chain(first, rows):
            write_piece(piece)
            height += piece.height
    return height, first.width


def _chain(first: pl.DataFrame, rest: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    yield first
    yield from rest


def _write_beside(file: Path, about: Mapping[str, Any]) -> None:
    with replace_atomically(beside(file)) as partial:
        partial.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _columns(metadata: _Metadata) -> dict[str, Any]:
    """Return meaning and unit of each described column, for JSON."""
    fields = metadata.described or ()
    found = {each.name: _texts(each) for each in fields}
    return {"columns": found} if found else {}


def _texts(column: pa.Field) -> dict[str, str]:
    known = {name.decode(): value.decode() for name, value in (column.metadata or {}).items()}
    return {name: known[name] for name in ("comment", "unit") if name in known}


def beside(file: Path) -> Path:
    """Return the file that says where the rows of a CSV file come from."""
    return file.with_name(f"{file.name}.json")


def _schema(first: pl.DataFrame, metadata: _Metadata) -> pa.Schema:
    described = {} if metadata.described is None else {each.name: each for each in metadata.described}
    fields = [
        each.with_metadata(described[each.name].metadata) if each.name in described else each
        for each in plain_schema(first.to_arrow().schema)
    ]
    about = json.dumps(metadata.about, ensure_ascii=False)
    return pa.schema(fields, {METADATA_KEY: about} if metadata.about else None)


@contextmanager
def _parquet(file: Path, first: pl.DataFrame, metadata: _Metadata) -> Iterator[Write]:
    schema = _schema(first, metadata)
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield lambda piece: writer.write_table(piece.to_arrow().cast(schema))


@contextmanager
def _arrow(file: Path, first: pl.DataFrame, metadata: _Metadata) -> Iterator[Write]:
    schema = _schema(first, metadata)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        yield lambda piece: writer.write_table(piece.to_arrow().cast(schema))


@contextmanager
def _csv(file: Path, first: pl.DataFrame, metadata: _Metadata) -> Iterator[Write]:
    with file.open("wb") as sink:
        header = [True]

        def write_piece(piece: pl.DataFrame) -> None:
            flatten(piece).write_csv(sink, include_header=header[0])
            header[0] = False

        yield write_piece


_OPEN = {".parquet": _parquet, ".csv": _csv, ".arrow": _arrow}
