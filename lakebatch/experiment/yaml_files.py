"""YAML 1.2 in bounded time and memory."""

from __future__ import annotations

import re
from typing import Any

import yaml

from lakebatch._files import MAX_VALUES, TOO_DEEP, ExcessError, check_size

TAG = "tag:yaml.org,2002:"
CORE = {
    "null": (r"~|null|Null|NULL|", ("~", "n", "N", "")),
    "bool": (r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", tuple("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        tuple("-+.0123456789"),
    ),
    "merge": ("<<", ("<",)),
}
"""Patterns and first characters of plain scalars that are not strings: YAML 1.2's core schema, and the merge key."""
KNOWN = {TAG + name for name in (*CORE, "str", "seq", "map")}


class _Loader(yaml.SafeLoader):
    """The loader of `yaml.safe_load` with the core schema of YAML 1.2 instead of 1.1."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012
        first: [
            (TAG + name, re.compile(rf"(?:{words})\Z"))
            for name, (words, begin) in CORE.items()
            if first in begin
        ]
        for first in {first for _, begin in CORE.values() for first in begin}
    }
    composed = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node; raise if there are too many, before time is spent on building them."""
        self.composed += 1
        if self.composed > MAX_VALUES:
            raise yaml.YAMLError(f"it has more than {MAX_VALUES} values")
        return super().compose_node(parent, index)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    base = {"0o": 8, "0x": 16}.get(node.value[:2])
    return int(node.value[2:], base) if base else int(node.value)


_Loader.add_constructor(TAG + "int", _integer)


def load(text: str) -> Any:
    """Return the value of a YAML string; keys are strings, unique in their table.

    >>> load("{mode: 010, clock: 1:30, on: yes}")
    {'mode': 10, 'clock': '1:30', 'on': 'yes'}

    Raises
    ------
    ValueError
        If it is not YAML, or has a key twice; an `ExcessError` if it is nested too deeply, or has too many values with
        its aliases expanded.
    """
    try:
        return _loaded(text)
    except RecursionError as error:
        raise ExcessError(TOO_DEEP) from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _loaded(text: str) -> Any:
    loader = _Loader(text)  # raises at a control character
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        check_size(root, children=_children)  # a node counts once for each alias of it
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _children(node: yaml.Node) -> list[yaml.Node]:
    if node.tag not in KNOWN:
        raise ValueError(f"the tag {node.tag!r} in line {node.start_mark.line + 1} is not known")
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_keys(table: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in table.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"the key in line {line} is a table or a list")
        if key.value in seen:
            raise ValueError(f"the key {key.value!r} in line {line} is there twice")
        seen.add(key.value)
        if key.tag != TAG + "merge":
            key.tag = TAG + "str"
