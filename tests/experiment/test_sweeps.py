"""Swept keys: the grammar of ``--sweep``, designs, and files."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebatch.assembly.seeds import stream_generator
from lakebatch.errors import ConfigError
from lakebatch.experiment.config_files import parse_value
from lakebatch.experiment.sweep_design import Design, nested, swept_keys
from lakebatch.experiment.sweep_files import read_sweep_file
from lakebatch.experiment.sweep_text import parse_swept

STREAM = partial(stream_generator, 0)


def points(*texts, **options):
    return Design(swept_keys(texts), **options).points(STREAM)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1,2.5,x", [1, 2.5, "x"]),
        ("a=true, false", [True, False]),
        ("a='b,c',\"d\"", ["b,c", "d"]),
        ("a=[1,2],[3]", [[1, 2], [3]]),
        ('a={kind="x", n=1}', [{"kind": "x", "n": 1}]),
        ("a=range(3)", [0, 1, 2]),
        ("a=range(0,1,0.25)", [0.0, 0.25, 0.5, 0.75]),
        ("a=range(0.1,0.5,0.1)", [0.1, 0.2, 0.3, 0.4]),
        ("a=range(3,0,-1)", [3, 2, 1]),
        ("a=linrange(0,1,3)", [0.0, 0.5, 1.0]),
        ("a=logrange(1e-3,1,4)", [0.001, 0.01, 0.1, 1.0]),
        ("a=5,range(10,30,10),99", [5, 10, 20, 99]),
        ("a=x=y", ["x=y"]),
    ],
)
def test_values_of_a_key(text, values):
    found = [value for (value,) in parse_swept(text).values]
    assert found == values
    assert [type(each) for each in found] == [type(each) for each in values]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a", "expected KEY=VALUES"),
        ("=1", "is no key"),
        ("a.=1", "is no key"),
        ("a=", "a value is empty"),
        ("a=1,,2", "a value is empty"),
        ("a=(1", "'(' is not closed"),
        ("a='x", '"\'" is not closed'),
        ("a=1)", "closes no bracket"),
        ("a,b=1,2", "is no group"),
        ("a,b=(1,2,3)", "has 3 values for 2 keys"),
        ("a=rnage(3)", "Did you mean 'range'?"),
        ("a=range(0,1,0)", "has the step 0"),
        ("a=range(1,0)", "has 0 values"),
        ("a=range(1e300)", "expected 1 to 10000"),
        ("a=range(x)", "expected a number"),
        ("a=logrange(0,1,3)", "expected ends above 0"),
        ("a=logrange(1,2,1)", "expected 2 to 10000"),
        ("a=uniform(1,0)", "low end that is not below"),
        ("a=uniform(0,1),2", "is a distribution"),
        ("a=integers(0,1.5)", "no integer"),
    ],
)
def test_faults_are_one_clear_line(text, says):
    with pytest.raises(ConfigError) as caught:
        parse_swept(text)
    assert says in str(caught.value)
    assert str(caught.value).startswith("Cannot read the swept ")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        found = parse_swept(text)
    except ConfigError:
        return
    assert found.keys
    assert found.values or found.distribution


@given(st.lists(st.one_of(st.integers(-(2**53), 2**53), st.booleans(), st.floats(-1e9, 1e9)), min_size=1))
def test_values_are_those_of_set(values):
    texts = [str(each).lower() for each in values]
    assert [value for (value,) in parse_swept(f"a={','.join(texts)}").values] == list(map(parse_value, texts))


def test_keys_make_a_grid_whose_last_key_changes_fastest():
    assert points("a=1,2", "b,c=(x,1),(y,2)") == [
        {"a": 1, "b": "x", "c": 1},
        {"a": 1, "b": "y", "c": 2},
        {"a": 2, "b": "x", "c": 1},
        {"a": 2, "b": "y", "c": 2},
    ]


def test_more_draws_keep_the_first_ones_and_other_seeds_differ():
    few, many = points("a=uniform(0,1)", "b=1,2", draws=3), points("a=uniform(0,1)", "b=1,2", draws=9)
    assert [each["a"] for each in few[:3]] == [each["a"] for each in many[:3]]
    assert {each["a"] for each in few if each["b"] == 1} == {each["a"] for each in few if each["b"] == 2}
    design = Design(swept_keys(["a=uniform(0,1)"]), draws=3, seed=1)
    assert design.points(partial(stream_generator, 1)) != points("a=uniform(0,1)", draws=3)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("uniform(-2,3)", -2, 3), ("loguniform(1e-3,10)", 1e-3, 10), ("integers(1,6)", 1, 6)],
)
def test_draws_lie_within_their_ends(text, low, high):
    drawn = [each["a"] for each in points(f"a={text}", draws=2000)]
    assert low <= min(drawn) < max(drawn) <= high
    if text.startswith("loguniform"):
        assert np.mean(np.log10(drawn) < -1) == pytest.approx(0.5, abs=0.04)
    if text.startswith("integers"):
        assert np.bincount(drawn)[1:] == pytest.approx(2000 / 6, rel=0.25)


def test_latin_hypercube_has_one_draw_in_each_slice_of_each_key():
    drawn = points("a=uniform(0,1)", "b=choice(x,y)", draws=20, kind="latin")
    assert sorted(int(each["a"] * 20) for each in drawn) == list(range(20))
    assert [each["b"] for each in drawn].count("x") == 10


@pytest.mark.parametrize(
    ("texts", "options", "says"),
    [
        (["a=1", "a=2"], {}, "'a' is swept twice"),
        (["a.b=1", "a={}"], {}, "'a' is part of 'a.b'"),
        (["a=uniform(0,1)"], {}, "Say how often to draw"),
        (["a=1"], {"draws": 3}, "There is nothing to draw"),
        (["a=uniform(0,1)"], {"draws": 0}, "draws is 0"),
        (["a=uniform(0,1)"], {"draws": 3, "kind": "sobol"}, "Unknown design 'sobol'"),
        (["a=range(200)", "b=range(200)"], {}, "has 40000 points"),
        (["a=uniform(0,1)"], {"draws": 3, "seed": -1}, "seed of the draws is -1"),
    ],
)
def test_faults_of_a_design(texts, options, says):
    with pytest.raises(ConfigError, match=says):
        points(*texts, **options)


def test_mapping_is_the_same_sweep_as_strings():
    mapping = {"a": np.array([1, 2]), ("b", "c"): [(1, "x"), (2, "y")], "d": "range(2)", "e": range(2)}
    texts = ["a=1,2", "b,c=(1,x),(2,y)", "d=range(2)", "e=0,1"]
    assert Design(swept_keys(mapping)).points(STREAM) == points(*texts)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"a": 5}, "its values are 5"),
        ({"a": []}, "its values are"),
        ({5: [1]}, "Cannot sweep 5"),
        ({"a,b": [1]}, "is no group of 2 values"),
        ({"a..b": [1]}, "is no key"),
    ],
)
def test_faults_of_a_mapping(mapping, says):
    with pytest.raises(ConfigError, match=says):
        swept_keys(mapping)


def test_files_hold_the_same_content(tmp_path):
    toml, json, table = (tmp_path / f"sweep.{ending}" for ending in ("toml", "json", "csv"))
    toml.write_text('draws = 3\n[sweep]\ncohort.n = [1, 2]\n"a,b" = [[1, "x"]]\nc = "uniform(0, 1)"\n')
    json.write_text('{"sweep": {"cohort.n": [1, 2], "a,b": [[1, "x"]], "c": "uniform(0,1)"}, "draws": 3}')
    table.write_text("cohort.n,noise\n1,additive\n2,[1]\n")
    found = read_sweep_file(toml)
    assert found.options == {"draws": 3} == read_sweep_file(json).options
    assert [each.keys for each in found.swept] == [("cohort.n",), ("a", "b"), ("c",)]
    assert [each.values for each in found.swept] == [each.values for each in read_sweep_file(json).swept]
    assert read_sweep_file(table).swept[0].values == ((1, "additive"), (2, [1]))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.toml", "x = 1", "Unknown key 'x'"),
        ("a.toml", "draws = 1", r"has no table \[sweep\]"),
        ("a.csv", "a,b\n", "has no point"),
        ("a.csv", "a,b\n1\n", "Line 2"),
        ("a.csv", "a,b\n1,\n", "Line 2"),
        ("a.txt", "", "Expected a name that ends in"),
    ],
)
def test_faults_of_files(tmp_path, name, text, says):
    Path(tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_sweep_file(tmp_path / name)


def test_values_by_dotted_key_are_a_tree():
    assert nested({"a.b": 1, "a.c.d": 2}) == {"a": {"b": 1, "c": {"d": 2}}}
