"""Leads from a mistyped name to the right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that leads from a mistyped name to the right ones.

    >>> nearest("respons-noise", ["expression-noise", "response-noise"])
    "Did you mean 'response-noise'? Known: expression-noise, response-noise."
    """
    names = sorted(known)
    return f"{hint(name, names)}Known: {', '.join(names) or 'none'}."


def hint(name: str, known: Sequence[str], likeness: float = 0.7) -> str:
    """Return a question that offers the known name nearest to a mistyped one; nothing if none is near.

    >>> hint("respons-noise", ["expression-noise", "response-noise"])
    "Did you mean 'response-noise'? "
    >>> hint("respons", ["expression-noise", "response-noise"])
    "Did you mean 'response-noise'? "
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=likeness)
    close = close or [each for each in known if len(name) > 1 and each.startswith(name)]
    return f"Did you mean {close[0]!r}? " if close else ""
