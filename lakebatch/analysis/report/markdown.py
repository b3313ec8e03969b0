"""Escaping of text for Markdown."""

from __future__ import annotations

import re

SPECIAL = re.compile(r"([\\`*_\[\]<>|&~$])")
LEADING = re.compile(r"^(\d*)([.)#+-]+)(?=\s|$)")
"""A prefix that turns a line into a list item or a heading."""


def escape(text: str) -> str:
    r"""Return a string with escaped markup.

    >>> print(escape("a|b `c` <script>"))
    a\|b \`c\` \<script\>
    >>> print(escape("1. one"), escape("- two"), escape("-0.5"))
    1\. one \- two -0.5
    """
    return LEADING.sub(r"\1\\\2", SPECIAL.sub(r"\\\1", text.replace("\n", " ")))


def fence(text: str) -> str:
    """Return a fence longer than any fence in a text.

    >>> fence("a ``` b")
    '````'
    """
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)
