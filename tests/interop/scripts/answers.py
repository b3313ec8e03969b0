"""Questions as JSON on standard input, the answers of one engine as JSON on standard output.

A question is ``{"ask": "count" | "means" | "rows", "table": URI, ...}``; the other keys are arguments of the engine's
function of that name. It runs in the environment of the engines, without lakebatch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any


class LacksError(Exception):
    """The engine has nothing to ask this with."""


def main(packages: str, **functions: Callable[..., Any]) -> None:
    """Answer every question by one of the engine's functions.

    Parameters
    ----------
    packages : str
        The packages whose versions are named, between spaces.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints is no answer
    asked = json.load(sys.stdin)
    answers = {name: _answer(functions, **question) for name, question in asked.items()}
    versions = {each: version(each) for each in packages.split()}
    json.dump({"versions": versions, "answers": answers}, out, default=_plain)
    out.flush()
    os._exit(0)  # some engines abort when Python takes their threads down


def _answer(functions: dict[str, Callable[..., Any]], ask: str, **arguments: Any) -> dict[str, Any]:
    begun = time.perf_counter()
    try:
        found = functions[ask](**arguments)
        answer = found if ask == "count" else [list(each) for each in _plain(found)]
        return {"answer": answer, "seconds": time.perf_counter() - begun}
    except LacksError as lack:
        return {"lacks": str(lack)}
    except BaseException as error:  # noqa: BLE001 - panics of Rust are no Exception; the test judges them
        return {"error": f"{type(error).__name__}: {error}"}


def _plain(value: Any) -> Any:
    """Return numbers, strings and lists in place of what numpy and pandas hold."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return list(value.values())
    return list(value)
