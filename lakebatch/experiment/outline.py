"""Static facts about an experiment's source, without running it."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from functools import lru_cache

CONTRACT = {"number", "version", "config_model"}
"""Attributes that, together with a name, distinguish an experiment from other classes."""
NUMBER = re.compile(rb"""^\s+number\b[^=\n]*=\s*["'](\d{2,6})["']""", re.MULTILINE)


# of parsing a source, see `_parse`
ATTEMPTS = 5


@lru_cache(128)
def classes(source: bytes) -> tuple[ast.ClassDef, ...]:
    """Return the classes of a source that are derived from others; a source is parsed once, which is slow.

    Raises
    ------
    SyntaxError
        If it is not Python.
    """
    try:
        tree = _parse(source)
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte, or nested too deeply
        raise SyntaxError(str(error) or type(error).__name__) from error
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.bases)


def _parse(source: bytes) -> ast.Module:
    """Return the syntax tree of a source.

    Python 3.11 counts the depth of all trees that it makes in one place. If another thread makes one meanwhile, as those
    of a Dask client may, it raises a SystemError that has nothing to do with the source.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(SystemError):
            return ast.parse(source)
    return ast.parse(source)


def is_experiment(node: ast.ClassDef) -> bool:
    """Whether a class looks like an experiment: derived from one, or with the attributes of the contract.

    >>> [is_experiment(each) for each in classes(b"class A(Experiment[Config]): ...")]
    [True]
    >>> [is_experiment(each) for each in classes(b"class Net(nn.Module): ...")]
    [False]
    """
    own = _attributes(node)
    derived = any("Experiment" in _last_name(base) for base in node.bases)
    return derived or ("name" in own and bool(CONTRACT & own))


def number(source: bytes) -> int | None:
    """Return the number of an experiment, if its source has it as a string.

    >>> number(b"class A(Experiment):\\n    number = '12'")
    12
    """
    found = NUMBER.search(source)
    return int(found[1]) if found else None


def _attributes(node: ast.ClassDef) -> set[str]:
    targets: list[ast.expr] = []
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets += statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets.append(statement.target)
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def _last_name(base: ast.expr) -> str:
    while isinstance(base, ast.Subscript):
        base = base.value
    return base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
