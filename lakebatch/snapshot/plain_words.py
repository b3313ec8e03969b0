"""Types and constraints of tables in plain words."""

from __future__ import annotations

import re

TYPES = {
    "string": "text",
    "long": "whole number",
    "integer": "whole number",
    "double": "number",
    "float": "number",
    "boolean": "true or false",
    "timestamp": "time in UTC",
    "binary": "bytes",
    "list<string>": "list of texts",
    "list<double>": "list of numbers",
    "list<float>": "list of numbers",
}
"""What a type of a column holds."""
SIGNS = (
    (r"\s*(?:<>|!=)\s*''", " is not empty"),
    (r"\s*>=\s*", " is at least "),
    (r"\s*<=\s*", " is at most "),
    (r"\s*>\s*", " is above "),
    (r"\s*<\s*", " is below "),
    (r" IS NULL\b", " is NULL"),
    (r" IN \(([^()]*)\)", r" is one of \1"),
    (r"\)? AND \(", "; and "),
    (r"\bAND\b", "and"),
    (r"\bOR\b", "or"),
)
UNLESS_NULL = re.compile(r"\(?\b(\w+) is NULL or \(?(\1 is [^()]*)\)*")
WHOLE = re.compile(r"(\d)\.0\b")


def of_type(type: str) -> str:
    """Return what a type of a column holds.

    >>> of_type("list<double>")
    'list of numbers'
    """
    return TYPES.get(type, type)


def of_rule(rule: str) -> str:
    """Return a constraint, which is SQL, in words.

    >>> of_rule("r2 IS NULL OR r2 <= 1")
    'r2 is NULL, or at most 1'
    >>> of_rule("part <> ''")
    'part is not empty'
    >>> of_rule("part != ''")
    'part is not empty'
    """
    for sign, words in SIGNS:
        rule = re.sub(sign, words, rule)
    clauses = [UNLESS_NULL.sub(_unless_null, each) for each in rule.split("; ")]
    return WHOLE.sub(r"\1", "; ".join(clauses)).replace("'", "")


def _unless_null(found: re.Match[str]) -> str:
    """Return what holds for a column that has a value, without the name of the column again."""
    name, rest = found.groups()
    return f"{name} is NULL, or {rest.replace(f'{name} is ', '')}"
