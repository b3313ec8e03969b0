"""One definition of each metric, beside its column in the schema of ``results``."""

import ast
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from lakebatch.analysis.plots import options
from lakebatch.assembly import metrics
from lakebatch.legacy.frames.results import OLDER_METRICS
from lakebatch.storage.delta.constraints import broken
from lakebatch.storage.delta.schema import load_schema

PACKAGE = Path(__file__).parents[2] / "lakebatch"
STEP = 0.001


def strings(node):
    """Return the strings in a literal, including keys of a dictionary."""
    children = node.keys if isinstance(node, ast.Dict) else node.elts
    return {each.value for each in children if isinstance(each, ast.Constant)}


def test_no_module_lists_the_metrics():
    literals = [
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for file in PACKAGE.rglob("*.py")
        if "legacy" not in file.parts  # it has the older names
        if file.name != "options.py"  # its type is compared below
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict) and strings(node) >= set(metrics.NAMES)
    ]
    assert literals == []


@pytest.mark.parametrize("metric", metrics.COLUMNS, ids=lambda metric: metric.name)
def test_unit_and_range_of_a_metric_equal_the_schema(metric):
    schema = load_schema("results")
    (column,) = [each for each in schema.columns if each.name == metric.name]
    assert column.unit == metric.unit
    rules = {f"delta.constraints.{name}": rule for name, rule in schema.constraints.items()}
    rules = {name: rule for name, rule in rules.items() if metric.name in rule}
    for limit, inside, outside in ((metric.minimum, 0, -STEP), (metric.maximum, 0, STEP)):
        if limit is None:
            limit, outside = outside * 1e9, 0  # an open end: any value is possible
        assert broken(rules, pl.DataFrame({metric.name: [limit + inside]})) is None
        if outside:
            assert broken(rules, pl.DataFrame({metric.name: [limit + outside]})) is not None


def test_type_of_metrics_names_those_of_the_schema():
    literal, _ = get_args(options.MetricName)
    assert get_args(literal) == tuple(metrics.NAMES)


def test_no_query_names_a_metric():
    folder = PACKAGE.with_name("queries")
    assert [
        file.name for file in folder.glob("*.sql") if set(metrics.NAMES) & set(file.read_text().split())
    ] == []


def test_older_names_of_metrics_are_those_of_the_schema():
    assert set(OLDER_METRICS) == {each.name for each in metrics.COLUMNS}
