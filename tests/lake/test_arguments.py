"""Keyword arguments shared by many methods: their signatures, and the error for a misspelled one."""

import inspect
from dataclasses import fields

import pytest

from lakebatch.analysis.plots import Options
from lakebatch.errors import ConfigError
from lakebatch.lake.arguments import PlotArguments, QueryArguments, StateArguments
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.sql.options import QueryOptions

STATE = ["version", "as_of", "tag"]
SELECTION = ["include", "assembly", "where", "preset", "config", "on_mix", "sweep"]
QUERY = ["on_gap", "also", "timeout", "memory_limit"]
READING = [
    getattr(StoredExperiment, name)
    for name in (
        "snapshot", "scan", "reassemble", "assemblies", "completeness", "replicates", "dataset", "plot", "report",
    )
]  # fmt: skip


def parameters(method):
    return inspect.signature(method).parameters


@pytest.mark.parametrize(
    "method",
    [*READING, Lake.snapshot, Lake.sql, Lake.query, Lake.connect],
    ids=lambda method: method.__qualname__,
)
def test_reading_methods_show_the_arguments_of_a_state(method):
    shown = parameters(method)
    assert [name for name in shown if name in STATE] == STATE
    assert {(shown[name].kind, shown[name].default) for name in STATE} == {
        (inspect.Parameter.KEYWORD_ONLY, None)
    }


@pytest.mark.parametrize(
    "method",
    [*(each for each in READING if each.__name__ not in ("assemblies", "dataset")), Lake.snapshot, Lake.sql],
    ids=lambda method: method.__qualname__,
)
def test_reading_methods_show_the_arguments_of_a_selection(method):
    shown = parameters(method)
    assert {name: shown[name].default for name in SELECTION} == {
        **dict.fromkeys(SELECTION),
        "on_mix": "warn",
    }


@pytest.mark.parametrize("method", [Lake.sql, Lake.query, LakeSnapshot.sql, LakeSnapshot.query])
def test_queries_show_their_options_and_defaults(method):
    shown = parameters(method)
    assert {name: shown[name].default for name in QUERY} == {
        each.name: each.default for each in fields(QueryOptions)
    }
    assert list(QueryArguments.__annotations__) == ["include", *QUERY]


def test_plots_show_their_options_and_defaults():
    shown = parameters(StoredExperiment.plot)
    known = {each.name: each.default for each in fields(Options)}
    assert {name: shown[name].default for name in known} == known
    assert PlotArguments.__annotations__.keys() == {*STATE, *SELECTION, *known}
    assert StateArguments.__annotations__.keys() == set(STATE)


@pytest.mark.parametrize(
    "call",
    [
        lambda lake: lake["toy"].reassemble(verson=1),
        lambda lake: lake["toy"].plot(verson=1),
        lambda lake: lake.snapshot(verson=1),
        lambda lake: lake.sql("SELECT 1", verson=1),
        lambda lake: lake.connect(verson=1),
    ],
)
def test_misspelled_argument_is_named_with_the_right_one(copied_lake, call):
    with pytest.raises(TypeError, match=r"Unexpected keyword argument 'verson'\. Did you mean 'version'\?"):
        call(copied_lake)


def test_option_of_a_query_is_no_option_of_a_connection(copied_lake):
    with pytest.raises(
        TypeError, match=r"Unexpected keyword argument 'timeout'\. Known: also, include, on_gap\."
    ):
        copied_lake.snapshot().connect(timeout=1)


def test_two_arguments_for_a_state_are_refused(copied_lake):
    with pytest.raises(ConfigError, match="Several of version, tag were given"):
        copied_lake["toy"].reassemble(version=1, tag="paper")
