"""Warnings point at the line of the caller, at any call depth."""

import inspect
import warnings

import pytest

from lakebatch.errors import DamageWarning, IncompleteWarning, MixtureWarning

COUNT = "SELECT count(*) FROM toy.results"

READING = [
    lambda lake, on_gap: lake["toy"].reassemble(on_gap=on_gap),
    lambda lake, on_gap: lake["toy"].at(lake["toy"].snapshot().moment).reassemble(on_gap=on_gap),
    lambda lake, on_gap: list(lake["toy"].snapshot().pieces(on_gap=on_gap)),
    lambda lake, on_gap: lake["toy"].plot("boxes", metric="mse", on_gap=on_gap),
    lambda lake, on_gap: lake.sql(COUNT, on_gap=on_gap),
    lambda lake, on_gap: lake.snapshot().sql(COUNT, on_gap=on_gap),
    lambda lake, on_gap: lake.query("summary", {"experiment": "toy"}, on_gap=on_gap),
    lambda lake, on_gap: lake.connect(on_gap=on_gap).close(),
]
LEAVING_OUT = [
    *READING,
    lambda lake, on_gap: lake["toy"].scan(on_gap=on_gap),
    lambda lake, on_gap: lake["toy"].completeness(on_gap=on_gap),
    lambda lake, on_gap: lake["toy"].diff(0, on_gap=on_gap),
]


def places(call, lake, on_gap, category):
    """Return the source lines of a call's warnings of a category."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(lake, on_gap)
    return {(each.filename, each.lineno) for each in caught if each.category is category}


def own_line(call):
    return {(inspect.getsourcefile(call), call.__code__.co_firstlineno)}


@pytest.mark.parametrize("category", [IncompleteWarning, MixtureWarning])
def test_warning_of_a_dataset_points_at_the_caller(lake, run, category):
    run()
    run("fail=[0.1]", "levels=[0, 0.1]")
    run("levels=[0, 0.5]")
    found = [places(call, lake, "warn", category) for call in READING]
    assert found == [own_line(call) for call in READING]


def test_warning_of_damage_points_at_the_caller(lake, run):
    for _ in range(2):
        run()
    stored = lake["toy"]
    lost = stored.results.at().data_files()[0]
    stored.storage.remove(f"{stored.results.path}/{lost.path}")
    found = [places(call, lake, "ignore", DamageWarning) for call in LEAVING_OUT]
    assert found == [own_line(call) for call in LEAVING_OUT]
