"""Parser of ``KEY=VALUES``, the text of a swept key: lists, ranges, distributions and zipped keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from lakebatch._files import MAX_DEPTH
from lakebatch._text import excerpt, nearest
from lakebatch.errors import ConfigError
from lakebatch.experiment.config_files import parse_value
from lakebatch.experiment.sweep_values import DISTRIBUTIONS, RANGES, Distribution, SweptKeys

CALL = re.compile(r"([A-Za-z_]\w*)\((.*)\)", re.DOTALL | re.ASCII)
EXAMPLE = "cohort.n_samples=50,100,200"
BRACKETS = {")": "(", "]": "[", "}": "{"}
Fault: TypeAlias = Callable[[str], ConfigError]


def parse_swept(text: str) -> SweptKeys:
    """Return the keys and values that ``KEY=VALUES`` sweeps; each value is parsed as that of ``--set``.

    >>> parse_swept("noise=additive,lognormal").values
    (('additive',), ('lognormal',))
    >>> parse_swept("level=range(0, 1, 0.25)").values
    ((0.0,), (0.25,), (0.5,), (0.75,))
    >>> parse_swept("n,noise=(10,a),(20,b)")
    SweptKeys(keys=('n', 'noise'), values=((10, 'a'), (20, 'b')), distribution=None)

    Raises
    ------
    ConfigError
        If it has another form.
    """

    def fault(why: str) -> ConfigError:
        return ConfigError(f"Cannot read the swept {excerpt(text, 200)!r}: {why}.")

    left, equals, right = text.partition("=")
    if not equals:
        raise fault(f"expected KEY=VALUES, e.g. {EXAMPLE}")
    keys = tuple(check_key(key.strip(), fault) for key in left.split(","))
    items = list(_split(right, fault))
    if len(keys) > 1:
        return SweptKeys(keys, tuple(_group(item, len(keys), fault) for item in items))
    if len(items) == 1 and (distribution := _distribution(items[0], fault)):
        return SweptKeys(keys, (), distribution)
    return SweptKeys(keys, tuple((value,) for item in items for value in _values(item, fault)))


def check_key(key: str, fault: Fault) -> str:
    """Return a dotted key; raise ``fault`` if a step of it is empty or there are too many."""
    names = key.split(".")
    if not all(names) or len(names) > MAX_DEPTH:
        raise fault(f"{key!r} is no key; expected KEY=VALUES, e.g. {EXAMPLE}")
    return key


def _split(text: str, fault: Fault) -> Iterator[str]:
    """Yield the items between commas that are in no quotes and no brackets."""
    items, stack, quote = [""], list[str](), ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in BRACKETS.values():
            stack.append(character)
        elif character in BRACKETS and (not stack or stack.pop() != BRACKETS[character]):
            raise fault(f"{character!r} closes no bracket")
        elif character == "," and not stack:
            items.append("")
            continue
        items[-1] += character
    if quote or stack:
        raise fault(f"{quote or stack[-1]!r} is not closed")
    for item in items:
        if not item.strip():
            raise fault('a value is empty; an empty string is written ""')
        yield item.strip()


def _group(text: str, size: int, fault: Fault) -> tuple[Any, ...]:
    """Return the values of zipped keys from ``(1, x)``."""
    if not (text.startswith("(") and text.endswith(")")):
        raise fault(f"{text!r} is no group; expected values of zipped keys as KEY1,KEY2=(1,x),(2,y)")
    values = tuple(parse_value(item) for item in _split(text[1:-1], fault))
    if len(values) != size:
        raise fault(f"{text!r} has {len(values)} values for {size} keys")
    return values


def _distribution(text: str, fault: Fault) -> Distribution | None:
    call = CALL.fullmatch(text)
    if call is None or call[1] not in DISTRIBUTIONS:
        return None
    return DISTRIBUTIONS[call[1]](_arguments(call[2], fault), text, fault)


def _values(text: str, fault: Fault) -> tuple[Any, ...]:
    """Return the values of one item: one value, or those of a range."""
    call = CALL.fullmatch(text)
    if call is None:
        return (parse_value(text),)
    if call[1] in DISTRIBUTIONS:
        raise fault(f"{text!r} is a distribution, which is the only value of its key")
    if call[1] not in RANGES:
        known = nearest(call[1], [*RANGES, *DISTRIBUTIONS])
        raise fault(f"unknown function {call[1]!r}. {known} A string with brackets is written in quotes")
    return RANGES[call[1]](_arguments(call[2], fault), text, fault)


def _arguments(text: str, fault: Fault) -> list[Any]:
    return [parse_value(item) for item in _split(text, fault)]
