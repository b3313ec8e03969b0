"""Levels as strings, so that ``0`` and ``0.0`` are equal."""

from __future__ import annotations

import math
import re
from typing import Any

LEVEL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def as_level(value: Any) -> float | None:
    """Return the level that a number or a string means; None if it means none.

    >>> as_level("0.05"), as_level("baseline"), as_level("nan")
    (0.05, None, None)
    """
    text = str(value).strip()
    if isinstance(value, bool) or not LEVEL.fullmatch(text):
        return None
    level = float(text)
    return level if math.isfinite(level) else None


def level_in_text(text: str | None) -> float | None:
    """Return the level in a cell of text, also with a decimal comma or in per cent.

    >>> level_in_text("0,1"), level_in_text("10 %"), level_in_text("high")
    (0.1, 0.1, None)
    """
    plain = (text or "").strip()
    number = as_level(plain.removesuffix("%").replace(",", "."))
    return number / 100 if number is not None and plain.endswith("%") else number


def level_text(level: float) -> str:
    """Return the canonical string of a level.

    >>> [level_text(float(text)) for text in ("0", "0.0", "-0.0", "1e-1", "0.10", "2.0", "1e16")]
    ['0', '0', '0', '0.1', '0.1', '2', '1e+16']
    """
    return repr(level + 0.0).removesuffix(".0") if level else "0"


def same_id(value: Any) -> str:
    """Return an assembly's id as a string, the same for every spelling of one level.

    >>> same_id(0), same_id("0.0"), same_id("20251216_142230_run001")
    ('0', '0', '20251216_142230_run001')
    """
    level = as_level(value)
    return str(value).strip() if level is None else level_text(level)
