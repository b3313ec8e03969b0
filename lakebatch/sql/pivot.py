"""PIVOT without the values of its columns: they are read first, and written into the statement.

DuckDB itself would create a type for them, which a connection that only reads cannot do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lakebatch.errors import QueryError
from lakebatch.sql.catalog import string_literal

MAX_VALUES = 1_000
"""Most columns that one expression may be spread over."""
TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|\s+|[eE]?'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$.*?\$\$|[^\W\d]\w*|.""", re.DOTALL
)
PIVOT = {"PIVOT", "PIVOT_WIDER"}
CLAUSES = {"USING", "GROUP", "ORDER", "LIMIT"}
"""The words that can follow the expressions after ON."""

Read = Callable[[str], Sequence[str]]
"""Returns the values of the only column of a query."""


@dataclass(frozen=True)
class _Token:
    """A piece of SQL, its position, and how many brackets are open before it."""

    text: str
    start: int
    depth: int

    @property
    def word(self) -> str:
        return self.text.upper()

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def with_values(text: str, read: Read) -> str:
    """Return SQL in which each PIVOT names the values of its columns, as ``ON level IN ('0.0', '0.1')``.

    Other SQL is returned unchanged. The values are those of the pivoted rows, in their own order.

    Raises
    ------
    QueryError
        If there are too many values.
    """
    tokens = list(_tokens(text))
    # from the last to the first, so that an inner statement is complete before it is the source of an outer one
    for number in reversed(range(len(tokens))):
        if tokens[number].word in PIVOT:
            text = _completed(text, list(_tokens(text)), number, read)
    return text


def _completed(text: str, tokens: list[_Token], number: int, read: Read) -> str:
    """Return the SQL with the values of the PIVOT at a token."""
    own = list(_statement(tokens, number))
    on = next((place for place, each in enumerate(own) if each.word == "ON"), None)
    if on is None or on == 0:
        return text
    source = text[own[0].start : own[on].start]
    above = text[: tokens[number].start]
    ctes = above if tokens[0].word == "WITH" and tokens[number].depth == 0 else ""
    for expression in reversed(list(_expressions(own[on + 1 :]))):
        if not expression or {"IN", "AS"} & {each.word for each in expression if each.depth == own[on].depth}:
            continue
        start, end = expression[0].start, expression[-1].end
        asked = text[start:end]
        query = (
            f"{ctes}SELECT ({asked})::VARCHAR FROM {source} WHERE ({asked}) IS NOT NULL "
            f"GROUP BY ({asked}) ORDER BY ({asked}) LIMIT {MAX_VALUES + 1}"
        )
        values = read(with_values(query, read))  # WITH before it can have a PIVOT too
        text = f"{text[:start]}({asked}) IN ({_list(asked, values)}){text[end:]}"
    return text


def is_in(text: str) -> bool:
    """Whether a PIVOT can be in a text; a fast check."""
    return any(word in text.upper() for word in PIVOT)


def _list(asked: str, values: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(values))
    if not distinct:
        raise QueryError(f"Cannot run PIVOT ON {asked}: there is no row that it could be spread over.")
    if len(distinct) > MAX_VALUES:
        raise QueryError(
            f"Cannot run PIVOT ON {asked}: it has more than {MAX_VALUES} values, each a column. Name some, "
            f"as in: ON {asked} IN ({string_literal(distinct[0])})"
        )
    return ", ".join(map(string_literal, distinct))


def _statement(tokens: list[_Token], number: int) -> Iterator[_Token]:
    """Yield the tokens after a PIVOT, to the end of its statement or of its brackets."""
    depth = tokens[number].depth
    for each in tokens[number + 1 :]:
        if each.depth < depth or (each.depth == depth and each.text == ";"):
            return
        if each.depth == depth:
            yield each


def _expressions(tokens: list[_Token]) -> Iterator[list[_Token]]:
    """Yield the expressions after ON."""
    found: list[_Token] = []
    for each in tokens:
        if each.word in CLAUSES:
            break
        if each.text == ",":
            yield found
            found = []
        else:
            found.append(each)
    yield found


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of SQL without white space and comments; a closing bracket has the depth outside of it."""
    depth = 0
    for match in TOKEN.finditer(text):
        piece = match[0]
        if piece.isspace() or piece.startswith(("--", "/*")):
            continue
        depth -= piece in ")]}"
        yield _Token(piece, match.start(), depth)
        depth += piece in "([{"
