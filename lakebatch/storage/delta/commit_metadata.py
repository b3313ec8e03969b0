"""Metadata of commits: the fingerprint of their rows, and a compact copy of the values that cannot be computed again.

Neither Parquet as it is written here nor its readers check values: of 300 single flipped bits in one file of
results, up to six were read as other values without an error. So each commit records the fingerprint of its rows,
and `doctor` and `verify` compute it again.

A fingerprint is a sum over rows, hence the same for any order and any division into files, and a sum over columns in
which NULL counts nothing, hence the same after a column was added. It guards against accidents, not against forgery.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from lakebatch.storage.delta.schema import TableSchema

Words: TypeAlias = npt.NDArray[np.uint64]

MODULUS = 2**64
FEW = 10_000
"""Number of strings up to which a plain loop is quicker than the engine."""
PIECE = 20_000
"""Number of rows, with lists in them, that fit in the processor's cache."""
STEP = np.uint64(0x9E3779B97F4A7C15)
COPY = "lakebatch.copy"
"""Key of the copy in a commit's metadata."""
MAX_COPY_BYTES = 64_000
"""Upper bound of a copy: opening a table reads the log, so the log must stay small."""
# Upper bound of an unpacked copy, which can come from a lake of another person
MAX_UNPACKED_BYTES = 64_000_000


def fingerprint(frames: Iterable[pl.DataFrame]) -> str:
    """Return the fingerprint of the rows of some frames, 16 hexadecimal digits.

    >>> fingerprint([pl.DataFrame({"level": [0.0, 0.1]})]) == fingerprint(
    ...     [pl.DataFrame({"level": [0.1], "error": [None]}), pl.DataFrame({"level": [0.0]})]
    ... )
    True
    """
    return add(_sum(_rows(piece)) for frame in frames for piece in frame.iter_slices(PIECE))


def add(fingerprints: Iterable[str | int]) -> str:
    """Return the fingerprint of the rows of several fingerprints together."""
    numbers = (int(each, 16) if isinstance(each, str) else each for each in fingerprints)
    return f"{sum(numbers) % MODULUS:016x}"


class RunningFingerprint:
    """Fingerprint of rows that arrive frame by frame; columns with one value for all rows can follow at the end."""

    def __init__(self) -> None:
        self._sums: list[Words] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Add the rows of a frame."""
        self._sums += [_column_sums(piece) for piece in frame.iter_slices(PIECE)]

    def result(self, constants: pl.DataFrame) -> str:
        """Return the fingerprint of the rows, each with the columns of a frame of one row beside its own.

        >>> running = RunningFingerprint()
        >>> running.add(pl.DataFrame({"level": [0.0, 0.1]}))
        >>> running.result(pl.DataFrame({"part": ["a"]})) == fingerprint(
        ...     [pl.DataFrame({"level": [0.0, 0.1], "part": ["a", "a"]})]
        ... )
        True
        """
        constant = _column_sums(constants)
        return add(_sum(_mix(sums + constant + STEP)) for sums in self._sums)


def row_words(frame: pl.DataFrame) -> Words:
    """Return one word per row; a fingerprint is their sum."""
    pieces = [_rows(piece) for piece in frame.iter_slices(PIECE)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.uint64)


def _sum(words: Words) -> int:
    return int(words.sum(dtype=np.uint64)) if words.size else 0


def _rows(frame: pl.DataFrame) -> Words:
    """Return one word per row."""
    return _mix(_column_sums(frame) + STEP)


def _column_sums(frame: pl.DataFrame) -> Words:
    """Return one sum over the columns per row."""
    total = np.zeros(frame.height, np.uint64)
    for series in frame:
        if nulls := series.null_count():
            if nulls < frame.height:
                total += _named(_values(series), series.name) * series.is_not_null().to_numpy()
        else:
            total += _named(_values(series), series.name)
    return total


def _named(words: Words, name: str) -> Words:
    """Return the words of a column, mixed with its name: the same values in another column give other words."""
    return _mix(words ^ _word(name.encode()))


def _values(series: pl.Series) -> Words:
    """Return one word per value; wider types give the same words, and NULL gives an arbitrary one."""
    if isinstance(series.dtype, pl.List):
        return _lists(series)
    if series.dtype in (pl.String, pl.Binary):
        return _texts(series)
    if series.dtype.is_decimal():
        return _texts(series.cast(pl.String))
    wide = pl.Float64 if series.dtype.is_float() else pl.Int64
    physical = _physical(series)
    return _filled(physical if physical.dtype == wide else physical.cast(wide)).to_numpy().view(np.uint64)


def _physical(series: pl.Series) -> pl.Series:
    """Return the numbers that a column is stored as; of a column of numbers itself, without a call of the engine."""
    is_number = series.dtype.is_float() or series.dtype.is_integer()
    return series if is_number else series.to_physical()


def _filled(series: pl.Series) -> pl.Series:
    """Return numbers without NULL; every call of the engine costs more than a small frame's arithmetic."""
    return series.fill_null(0) if series.null_count() else series


def _texts(series: pl.Series) -> Words:
    if len(series) <= FEW:
        words_of: dict[str | bytes | None, np.uint64] = {None: np.uint64(0)}
        for text in set(series) - words_of.keys():
            words_of[text] = _word(text if isinstance(text, bytes) else text.encode())
        return np.array([words_of[text] for text in series], np.uint64)
    unique = series.unique().drop_nulls()
    texts = (text if isinstance(text, bytes) else text.encode() for text in unique)
    words = pl.Series([int(_word(text)) for text in texts], dtype=pl.UInt64)
    return np.asarray(series.replace_strict(unique, words, default=None).fill_null(0), np.uint64)


def _lists(series: pl.Series) -> Words:
    """Return one word per list, from its values, their positions and their number."""
    lengths = series.list.len().fill_null(0).to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    inner = series.filter(pl.Series(lengths > 0)).explode()
    positions = np.arange(len(inner), dtype=np.uint64) - np.repeat(ends - lengths, lengths).astype(np.uint64)
    words = _mix(_values(inner) + (positions + np.uint64(1)) * STEP) * inner.is_not_null().to_numpy()
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words, dtype=np.uint64)])
    per_list: Words = sums[ends] - sums[ends - lengths] + lengths.astype(np.uint64)
    return per_list


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(text).digest()[:8], "little"))


def _mix(words: Words) -> Words:
    """Spread every bit over the whole word (splitmix64's last steps)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def copied_columns(schema: TableSchema) -> list[str]:
    """Return the names of the columns that a copy holds.

    These are the volatile columns. Events and tags have none and cannot be computed again: all columns are copied.
    Frames cannot be computed again either, but are not small: no column is copied.
    """
    if schema.grows:
        return []
    volatile = [column.name for column in schema.columns if column.volatile]
    return [name for name in volatile or schema.polars if name not in schema.partition_by]


def encode(rows: pl.DataFrame) -> str | None:
    """Return a copy of some columns as a string; None if it would be too large.

    >>> decode(encode(pl.DataFrame({"x": [0.1, 0.2]})), {"x": pl.Float64()}, 2).to_dict(as_series=False)
    {'x': [0.1, 0.2]}
    """
    columns: dict[str, Any] = {}
    numbers = b""
    for series in rows:
        columns[series.name], more = _encoded(series)
        numbers += more
    head = json.dumps({"rows": rows.height, "columns": columns}, separators=(",", ":"))
    text = base64.b64encode(zlib.compress(head.encode() + b"\n" + numbers, 9))
    return text.decode() if len(text) <= MAX_COPY_BYTES else None


def decode(text: str, types: Mapping[str, pl.DataType], rows: int) -> pl.DataFrame:
    """Return the columns that a string is a copy of.

    Parameters
    ----------
    types : mapping
        Types of the known columns; other columns are refused.
    rows : int
        Expected row count.

    Raises
    ------
    ValueError
        If the string is no such copy.
    """
    try:
        return _decode(_unpacked(text), types, rows)
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"it is damaged ({error})") from error
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"it is damaged ({error})") from error


def _unpacked(text: str) -> bytes:
    packed = zlib.decompressobj()
    try:
        content = packed.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"it is damaged ({error})") from error
    if not packed.eof:
        raise ValueError("it is cut off")
    return content


def _decode(content: bytes, types: Mapping[str, pl.DataType], rows: int) -> pl.DataFrame:
    head, _, numbers = content.partition(b"\n")
    described = json.loads(head)
    if described["rows"] != rows:
        raise ValueError(f"it has {described['rows']} rows, its commit {rows}")
    series = []
    for name, column in described["columns"].items():
        series.append(_decoded(name, column, numbers[: 8 * rows], types[name], rows))
        numbers = numbers[8 * rows :] if column.get("planes") else numbers
    return pl.DataFrame(series)


def _encoded(series: pl.Series) -> tuple[dict[str, Any], bytes]:
    """Return the description of a column, and its numbers as bytes if they are stored apart from it."""
    physical = _physical(series)
    if series.dtype == pl.Float64 and not series.null_count() and len(series) > 1:
        return {"planes": True}, _planes(physical)
    values = physical.to_list()
    is_same = all(value == values[0] for value in values)
    return ({"same": values[0]} if values and is_same else {"values": values}), b""


def _planes(series: pl.Series) -> bytes:
    """Return the bytes of numbers transposed: all first bytes, then all second bytes and so on, which packs better."""
    return series.to_numpy().astype("<f8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _decoded(
    name: str, column: Mapping[str, Any], numbers: bytes, dtype: pl.DataType, rows: int
) -> pl.Series:
    if column.get("planes"):
        words = np.frombuffer(numbers, np.uint8).reshape(8, rows).T.copy()
        return pl.Series(name, words.view("<f8").reshape(rows).astype(np.float64)).cast(dtype)
    values = [column["same"]] * rows if "same" in column else column["values"]
    physical = pl.Int64() if dtype == pl.Datetime("us", "UTC") else dtype
    return pl.Series(name, values, dtype=physical).cast(dtype)
