"""Labels over several lines."""

from __future__ import annotations

import textwrap


def wrapped(text: str, characters: float, separator: str = "\n") -> str:
    """Return a text with line breaks between words, so that lines are about equally long.

    >>> wrapped("Noise on the response", 12)
    'Noise on\\nthe response'
    """
    limit = max(int(characters), 1)
    if len(text) <= limit:
        return text
    lines = textwrap.wrap(text, limit, break_long_words=False, break_on_hyphens=False)
    for shorter in range(limit, 0, -1):  # as narrow as the same number of lines allows
        tried = textwrap.wrap(text, shorter, break_long_words=False, break_on_hyphens=False)
        if len(tried) > len(lines):
            break
        lines = tried
    return separator.join(lines)
