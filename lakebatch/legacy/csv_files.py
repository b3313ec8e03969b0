"""CSV files as spreadsheets write them: encodings, separators and decimal commas."""

from __future__ import annotations

import codecs
import io
import re

import polars as pl

from lakebatch.errors import LegacyError
from lakebatch.legacy.compressed import refuse_workbook
from lakebatch.legacy.frames.columns import brief

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""Byte-order marks, and the encoding of the text after each."""
SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_LINE = re.compile(r"\s*sep=(?P<separator>[,;\t|])\r?\n")
"""The line before the header that a spreadsheet reads the separator from."""
DECIMAL_COMMA = r"^\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*$"
DECIMAL_POINT = r"^\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*$"
NUMBER = r"^\s*[-+]?(\d+|\d*,\d+)([eE][-+]?\d+)?\s*$"
THOUSANDS_COMMA = r"^\s*[-+]?[1-9]\d{0,2}(,\d{3})+\s*$"
THOUSANDS_POINT = r"^\s*[-+]?[1-9]\d{0,2}(\.\d{3})+\s*$"


def read_csv(data: bytes, *, types: bool = True) -> pl.DataFrame:
    """Return the table in a CSV file, with decimal commas as points and without spaces around the names of columns.

    Parameters
    ----------
    types : bool
        Whether columns of numbers become numbers; else all are strings.

    Raises
    ------
    LegacyError
        If it is no text in UTF-8 or UTF-16, or no CSV, or a column has decimal commas and decimal points, or points
        that can separate thousands.
    """
    refuse_workbook(data)
    text = decoded(data)
    separator = separator_of(text)
    text = SEPARATOR_LINE.sub("", text)
    table = _parsed(text, separator, types=types)
    columns = [_with_points(each, separator, types) for each in table]
    names = [column.name.strip() for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LegacyError(f"two of its columns are called {twice[0]!r}")
    if separator != "," and any(_has_decimal_commas(each, separator) for each in table):
        _refuse_thousands(_parsed(text, separator, types=False))
    return pl.DataFrame([column.alias(name) for column, name in zip(columns, names, strict=True)])


def _parsed(text: str, separator: str, *, types: bool) -> pl.DataFrame:
    try:
        return pl.read_csv(
            io.BytesIO(text.encode()),
            separator=separator,
            infer_schema=types,
            infer_schema_length=None,
        )
    except pl.exceptions.PolarsError as error:
        raise LegacyError(f"it is not a CSV that can be read ({brief(error)})") from error


def decoded(data: bytes) -> str:
    """Return the text in UTF-8 or, after a byte-order mark, UTF-16.

    >>> decoded("a;b".encode("utf-16"))
    'a;b'
    """
    mark = next((mark for mark in MARKS if data.startswith(mark)), b"")
    try:
        text = data[len(mark) :].decode(MARKS.get(mark, "utf-8"))
    except UnicodeDecodeError as error:
        raise LegacyError("it is not text in UTF-8 or UTF-16. Save it as UTF-8") from error
    if "\0" in text:
        raise LegacyError("it has zero bytes, as UTF-16 without its mark has. Save it as UTF-8")
    return text if "\n" in text else text.replace("\r", "\n")


def separator_of(text: str) -> str:
    """Return the character between the names of columns: a comma unless there are more of another.

    >>> separator_of("assembly_id; status\\n0,5;completed")
    ';'
    """
    if line := SEPARATOR_LINE.match(text):
        return line["separator"]
    header = text.lstrip().partition("\n")[0]
    return max(SEPARATORS, key=header.count)


def _with_points(column: pl.Series, separator: str, types: bool) -> pl.Series:
    """Return a column with decimal points, as numbers if all of it are numbers and types are wanted."""
    if not _has_decimal_commas(column, separator):
        return column
    if column.str.contains(DECIMAL_POINT).any():
        raise LegacyError(
            f"column {column.name!r} has decimal commas and decimal points. Write all numbers with points"
        )
    is_number = column.str.contains(NUMBER).fill_null(value=False)
    texts = pl.DataFrame({"text": column, "is_number": is_number}).select(
        pl.when("is_number").then(pl.col("text").str.replace(",", ".").str.strip_chars()).otherwise("text")
    )
    points = texts.to_series().alias(column.name)
    is_whole = types and bool((is_number | column.is_null()).all())
    return points.cast(pl.Float64) if is_whole else points


def _has_decimal_commas(column: pl.Series, separator: str) -> bool:
    """Whether a column has decimal commas; among commas only if no number can be meant as thousands."""
    if column.dtype != pl.String:
        return False
    decimals = column.filter(column.str.contains(DECIMAL_COMMA).fill_null(value=False))
    if separator != ",":
        return not decimals.is_empty()
    points = column.str.contains(DECIMAL_POINT).any()
    return not (decimals.is_empty() or points or decimals.str.contains(THOUSANDS_COMMA).any())


def _refuse_thousands(table: pl.DataFrame) -> None:
    """Raise if a column has numbers such as 1.234, and others have decimal commas: it can be 1234."""
    for column in table:
        dotted = column.filter(column.str.contains(r"^[^a-zA-Z]*\.[^a-zA-Z]*$").fill_null(value=False))
        if len(dotted) and dotted.str.contains(THOUSANDS_POINT).all():
            raise LegacyError(
                f"column {column.name.strip()!r} has {dotted[0].strip()}, and others have decimal commas: the point can "
                "separate thousands or decimals. Write all numbers with decimal points"
            )
