"""Every example in a docstring runs."""

import doctest
import importlib
import pkgutil

import pytest

import lakebatch
import lakebatch.experiments

MODULES = sorted(
    {
        module.name
        for package in (lakebatch, lakebatch.experiments)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    }
)


@pytest.mark.parametrize("name", ["lakebatch", *MODULES])
def test_examples_are_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found():
    examples = sum(
        len(case.examples)
        for name in MODULES
        for case in doctest.DocTestFinder().find(importlib.import_module(name))
    )
    assert examples > 40
