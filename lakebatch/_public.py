"""What ``dir``, completion and ``help`` show of the objects that users hold."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

INTERNAL = frozenset({
    "absence", "at", "attempts", "begun", "check_folders", "check_whole", "claim_version", "collected",
    "computed", "config_numbers", "declare", "frames", "lake_folders", "leases", "log", "missing_versions",
    "number", "only", "pin", "qualified", "refuse_damaged", "renew", "report_gaps", "report_mixtures",
    "report_names", "results", "rows_of", "select", "selection", "sibling", "source_log", "storage",
    "sweep_log", "table", "tables", "tag_log", "to_write", "uncertain", "versions_of", "with_events", "without",
})  # fmt: skip
"""Attributes that other modules of lakebatch use; they work, and may change in any release."""


class Hint(str):
    """A type hint that signatures show without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def readable(function: Function) -> Function:
    """Have ``help`` show the type hints of a function without quotes.

    >>> import inspect
    >>> @readable
    ... def double(x: float) -> float: ...
    >>> inspect.signature(double)
    <Signature (x: float) -> float>
    """
    hints = function.__annotations__
    hints |= {name: Hint(each) for name, each in hints.items() if isinstance(each, str)}
    return function


def _shown(names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in INTERNAL]


class _Public(ABCMeta):
    """Type of classes whose internal attributes stay out of ``help``."""

    def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, space, **options)
        for each in space.values():
            if isinstance(each, FunctionType):
                readable(each)

    def __dir__(cls) -> list[str]:
        return _shown(super().__dir__())


class Public(metaclass=_Public):
    """An object whose internal attributes stay out of ``dir`` and completion."""

    def __dir__(self) -> list[str]:
        return _shown(super().__dir__())
