"""Values as the cells of tables for people: numbers to four digits, times to the second, long texts cut."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from lakebatch._text import escape_controls, to_second

DIGITS, MAX_TYPED_DIGITS = 4, 6
# significant digits of a measured number, and those up to which one that somebody typed is shown as it is
LARGE, TOO_LARGE = 1000, 1e15
MAX_LINES = 3  # of a cell
ELLIPSIS = "…"
POINT = re.compile(r"(?P<whole>[-+]?\d+|.*)(?P<rest>.*)")


def cell(value: Any) -> str:
    """Return one value for people; nothing for NULL.

    >>> cell(None), cell([1, 0.05]), cell({"a": True})
    ('', '1, 0.05', 'a: True')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, datetime):
        return to_second(value)
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return ", ".join(f"{cell(key)}: {cell(each)}" for key, each in value.items())
    return escape_controls(str(value).replace("\n", " "))


def number(value: float) -> str:
    """Return a number that somebody typed as it is, another to four significant digits; integer parts are kept.

    >>> number(0.71417638), number(1.2345678e-9), number(12345.678), number(0.12345), number(-0.0)
    ('0.7142', '1.235e-09', '12346', '0.12345', '0')
    """
    return _to_digits(value, MAX_TYPED_DIGITS if is_typed(value) else DIGITS)


def is_typed(value: float | None) -> bool:
    """Whether a number has few digits, as a setting does, and not those of a measurement.

    >>> is_typed(0.05), is_typed(0.1 + 0.2), is_typed(None)
    (True, False, True)
    """
    return value is None or not math.isfinite(value) or float(f"{value:.{MAX_TYPED_DIGITS}g}") == value


def numbers(values: Sequence[float | None]) -> list[str]:
    """Return the numbers of a column: all as they are if somebody typed them, else all to four digits.

    >>> numbers([0.12345, None]), numbers([0.12345, 1 / 3])
    (['0.12345', ''], ['0.1235', '0.3333'])
    """
    digits = MAX_TYPED_DIGITS if all(map(is_typed, values)) else DIGITS
    return ["" if value is None else _to_digits(value, digits) for value in values]


def _to_digits(value: float, digits: int) -> str:
    if LARGE <= abs(value) < TOO_LARGE and (digits == DIGITS or value.is_integer()):
        return f"{value:.0f}"
    return f"{value or 0.0:.{digits}g}"


def align_at_point(texts: list[str]) -> list[str]:
    """Return numbers filled with blanks so that their decimal points stand in one line.

    >>> align_at_point(["12", "0.5", "-1.25", "inf", ""])
    [' 12   ', '  0.5 ', ' -1.25', 'inf   ', '      ']
    """
    pieces = [POINT.fullmatch(text) for text in texts]
    split = [(each["whole"], each["rest"]) if each else ("", "") for each in pieces]
    left, right = (max((len(each[side]) for each in split), default=0) for side in (0, 1))
    return [f"{whole:>{left}}{rest:<{right}}" for whole, rest in split]


def width_of(text: str) -> int:
    """Return the number of columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def widest(texts: Iterable[str]) -> int:
    """Return the width of the widest text; 0 without any."""
    return max(map(width_of, texts), default=0)


def fill(text: str, width: int, *, to_right: bool = False) -> str:
    """Return a text filled with blanks to a width."""
    blanks = " " * (width - width_of(text))
    return blanks + text if to_right else text + blanks


def elide(text: str, width: int) -> str:
    """Return a text of at most a width: without its middle, so that ids and paths keep both ends.

    >>> elide("20261127_212323_run001", 16)
    '20261127…_run001'
    """
    if width_of(text) <= width:
        return text
    left = max(width // 2, 1)
    return _start(text, left) + ELLIPSIS + _start(text[::-1], max(width - left - 1, 0))[::-1]


def _start(text: str, width: int) -> str:
    """Return the beginning of a text that fits a width."""
    taken = text[:width]
    while width_of(taken) > width:
        taken = taken[:-1]
    return taken


def fold(text: str, width: int, max_lines: int = MAX_LINES) -> list[str]:
    """Return a text as lines of a width: sentences are broken between words, a single word loses its middle.

    >>> fold("the pump was off all day", 9, max_lines=2)
    ['the pump', 'was off…']
    >>> fold("a/long/path/to/file", 9)
    ['a/lo…file']
    """
    if width_of(text) <= width or " " not in text.strip():
        return [elide(text, width)]
    lines = [""]
    for word in (elide(each, width) for each in text.split()):
        joined = f"{lines[-1]} {word}".lstrip()
        if width_of(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    lines = lines[0 if lines[0] else 1 :]
    return lines if len(lines) <= max_lines else [*lines[: max_lines - 1], _cut(lines[max_lines - 1], width)]


def _cut(line: str, width: int) -> str:
    return f"{_start(line, width - 1)}{ELLIPSIS}"
