"""The public interface: names, docstrings, and the tree of errors."""

import ast
import importlib
import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lakebatch
from lakebatch import errors

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "lakebatch").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")])
BRANCH = re.compile(r"^(?P<indent>[│ ]*)[├└]── (?P<name>\w+) \((?P<builtin>\w+)\)", re.MULTILINE)
ERRORS = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, errors.LakebatchError)
]


def test_all_lists_every_public_name():
    assert lakebatch.__all__ == sorted({*lakebatch.HOME, "__version__"})
    assert dir(lakebatch) == sorted([*lakebatch.__all__, *lakebatch.MODULES])


@pytest.mark.parametrize("name", lakebatch.__all__)
def test_public_name_comes_from_its_home(name):
    value = getattr(lakebatch, name)
    if name != "__version__":
        assert value is getattr(importlib.import_module(lakebatch.HOME[name]), name)
        assert value.__module__ == lakebatch.HOME[name]


def test_type_checkers_see_the_same_homes():
    tree = ast.parse((ROOT / "lakebatch" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert seen == lakebatch.HOME | dict.fromkeys(lakebatch.MODULES, "lakebatch")


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lakebatch.nothing  # noqa: B018


def undocumented(node: ast.AST, prefix: str) -> Iterator[str]:
    """Yield the public modules, classes and functions below a node that have no docstring."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.FunctionDef) or child.name.startswith("_"):
            continue
        if "overload" in map(ast.unparse, child.decorator_list):
            continue
        if not ast.get_docstring(child):
            yield f"{prefix}{child.name}"
        if isinstance(child, ast.ClassDef) and not overrides_click(child):
            yield from undocumented(child, f"{prefix}{child.name}.")


def overrides_click(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).startswith("click.") for base in node.bases)


@pytest.mark.parametrize("file", FILES, ids=[file.relative_to(ROOT).as_posix() for file in FILES])
def test_module_and_everything_public_in_it_has_a_docstring(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert not list(undocumented(tree, ""))


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_error_survives_pickling(kind):
    error = kind("Nothing. Expected something.")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is kind
    assert str(again) == "Nothing. Expected something."


def test_error_tree_equals_its_drawing():
    drawn = {"LakebatchError": {"Exception"}}
    above = ["LakebatchError"]
    for branch in BRANCH.finditer(errors.__doc__):
        depth = (len(branch["indent"]) - 4) // 4
        above[depth + 1 :] = [branch["name"]]
        drawn[branch["name"]] = {above[depth], branch["builtin"]}
    assert drawn == {kind.__name__: {base.__name__ for base in kind.__bases__} for kind in ERRORS}
