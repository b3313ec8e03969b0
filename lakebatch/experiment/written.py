"""Source text of a class that has no file of its own: written in a notebook cell, in a script, or beside others in a module.

The text is that of one file that would define the class: imports, constants, and the classes and functions that it uses.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import pickle
import symtable
import sys
import textwrap
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from lakebatch.errors import ConfigError

MAX_LITERAL = 10_000
# characters of a constant that is written out; a larger one is written as its hash
NO_SOURCE = (
    "The source of the {what} cannot be had, so that nothing could say later which code computed the rows. "
    "Write it in a notebook cell, in a script, or in a file in ./experiments."
)


def source_text(kind: type) -> str:
    """Return the text of a file that defines a class with everything of its module, or of its package, that it uses.

    Raises
    ------
    ConfigError
        If the text of the class, or of something that it uses, cannot be had.
    """
    collector = _Collector(kind.__module__.partition(".")[0])
    collector.visit(kind.__name__, kind)
    return collector.text()


class _Collector:
    """Collects definitions in the order in which a file needs them."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.imports: set[str] = set()
        self.constants: dict[str, str] = {}
        self.definitions: dict[tuple[str, str], str] = {}
        self._seen: set[tuple[str, str]] = set()

    def text(self) -> str:
        """Return the text of the file."""
        heads = "\n".join(sorted(self.imports))
        constants = "\n".join(self.constants[name] for name in sorted(self.constants))
        return "\n\n\n".join(filter(None, (heads, constants, *self.definitions.values()))) + "\n"

    def visit(self, name: str, value: Any) -> None:
        """Collect what a global name stands for."""
        if isinstance(value, ModuleType):
            as_name = "" if value.__name__ == name else f" as {name}"
            self.imports.add(f"import {value.__name__}{as_name}")
        elif (defined := _defined(value)) is not None:
            self._visit_definition(name, defined)
        else:
            self.constants[name] = _constant(name, value)
            if self._is_own(type(value)):
                self.visit(type(value).__name__, type(value))

    def _visit_definition(self, name: str, value: Any) -> None:
        if not self._is_own(value):
            as_name = "" if value.__name__ == name else f" as {name}"
            self.imports.add(f"from {value.__module__} import {value.__name__}{as_name}")
            return
        key = (value.__module__, value.__qualname__)
        if key in self._seen:
            return
        self._seen.add(key)
        text = _text(value)
        known = vars(sys.modules[value.__module__])
        for used in sorted(_global_names(text)):
            if used in known and known[used] is not value:
                self.visit(used, known[used])
        self.definitions[key] = text

    def _is_own(self, value: Any) -> bool:
        return str(getattr(value, "__module__", "")).partition(".")[0] == self.home


def _defined(value: Any) -> Any:
    """Return the class or function that a value is, also below a decorator; None for other values."""
    for each in (value, getattr(value, "__wrapped__", None), getattr(value, "py_func", None)):
        is_named = "<" not in str(getattr(each, "__qualname__", "<")) and hasattr(each, "__module__")
        if is_named and (inspect.isclass(each) or inspect.isroutine(each)):
            return each
    return None


def _constant(name: str, value: Any) -> str:
    """Return the line that defines a constant; a value that cannot be written out is named with its hash."""
    text = repr(value)
    try:
        if len(text) <= MAX_LITERAL and ast.literal_eval(text) == value:
            return f"{name} = {text}"
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        digest = f"SHA-256 of its pickle {hashlib.sha256(pickle.dumps(value, protocol=4)).hexdigest()}"
    except Exception:  # noqa: BLE001 any object may refuse
        digest = "its value is not recorded"
    return f"# {name}: {type(value).__module__}.{type(value).__qualname__}, {digest}"


def _global_names(text: str) -> set[str]:
    """Return the global names that a definition uses.

    >>> sorted(_global_names("def f(x, y=LIMIT):\\n    z = x\\n    return g(z)"))
    ['LIMIT', 'g']
    """
    top = symtable.symtable(text, "source", "exec")
    defined = {each.get_name() for each in top.get_symbols() if each.is_assigned()}
    used = {each.get_name() for each in top.get_symbols() if each.is_referenced()}
    tables = list(top.get_children())
    while tables:
        table = tables.pop()
        used |= {each.get_name() for each in table.get_symbols() if each.is_global() and each.is_referenced()}
        tables += table.get_children()
    return used - defined


def _text(value: Any) -> str:
    """Return the source text of a class or a function."""
    found = _class_text(value) if inspect.isclass(value) else _function_text(value)
    if found is None:
        what = "class" if inspect.isclass(value) else "function"
        raise ConfigError(NO_SOURCE.format(what=f"{what} {value.__qualname__}"))
    return textwrap.dedent(found).strip("\n")


def _function_text(value: Any) -> str | None:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError, IndentationError):
        return None


def _class_text(kind: type) -> str | None:
    """Return the text of a class; Python itself finds none for a class of a notebook."""
    for text in _texts(kind):
        try:
            walked = ast.walk(ast.parse(text))
            nodes = [each for each in walked if isinstance(each, ast.ClassDef) and _defines(each, kind)]
        except (SyntaxError, ValueError):
            continue
        if nodes:
            return _segment(text, nodes[-1])
    return None


def _defines(node: ast.ClassDef, kind: type) -> bool:
    """Whether a node defines a class: it has its name, its methods and its annotations."""
    if node.name != kind.__name__:
        return False
    methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    fields = {
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    return methods <= vars(kind).keys() and fields == set(inspect.get_annotations(kind))


def _segment(text: str, node: ast.ClassDef) -> str:
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def _texts(kind: type) -> Iterator[str]:
    """Yield the texts that may define a class, the likeliest first: that of its methods, of its module, of cells."""
    files = dict.fromkeys(_files_of_methods(kind))
    module = getattr(sys.modules.get(kind.__module__), "__file__", None)
    for file in [*files, *([module] if module else [])]:
        if lines := linecache.getlines(file):
            yield "".join(lines)
    yield from reversed(_cells())


def _files_of_methods(kind: type) -> Iterator[str]:
    for value in vars(kind).values():
        plain = inspect.unwrap(getattr(value, "__func__", None) or getattr(value, "fget", None) or value)
        if inspect.isfunction(plain) and plain.__module__ == kind.__module__:
            yield plain.__code__.co_filename


def _cells() -> list[str]:
    """Return the cells that IPython has run, oldest first; none outside of IPython."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell() if get_shell is not None else None
    history = getattr(shell, "history_manager", None)
    cells: Iterable[str] = getattr(history, "input_hist_parsed", ())
    return list(cells)
