"""Ids, hashes and seeds: stable across releases."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebatch import ids
from lakebatch.assembly import seeds
from lakebatch.errors import ConfigError, UnknownNameError

AT = datetime(2026, 11, 23, 14, 22, 30, tzinfo=UTC)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("run_number", "expected"),
    [
        (1, "20261123_142230_run001"),
        (999, "20261123_142230_run999"),
        (1000, "20261123_142230_run1000"),
        (12345, "20261123_142230_run12345"),
    ],
)
def test_assembly_id_has_the_documented_format(run_number, expected):
    assert ids.assembly_id(AT, run_number) == expected
    assert ids.check_assembly_id(expected) == expected


def test_assembly_id_is_in_utc():
    there = AT.astimezone(timezone(timedelta(hours=13)))
    assert ids.assembly_id(there, 7) == "20261123_142230_run007"


ARABIC_DIGITS = "\u0662\u0660261123_142230_run001"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latest",
        "20261123_142230_run01",
        "20261123_142230_run00x",
        "x20261123_142230_run001",
        ARABIC_DIGITS,
        "../20261123_142230_run001",
        "20261123_142230_run001/..",
        "20261123_142230_run001\n",
        "20261123_142230_run001\0",
        "20261123_142230_run*",
    ],
)
def test_malformed_assembly_id_is_refused(text):
    with pytest.raises(UnknownNameError, match=r"is not an assembly id. Expected YYYYMMDD_HHMMSS_runNNN"):
        ids.check_assembly_id(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "Response-noise",
            "response_noise",
            "-x",
            "x-",
            "a--b",
            "1a",
            "a/b",
            "ä",
            "..",
            "a/../b",
            "a\\b",
            "/a",
        ),
        *("a\0b", "a\n", "a ", "a.b", "a*", "\u0430bc", "a\u2024b", "\uff41", "a" * 101),
    ],
)
def test_name_invalid_in_a_path_is_refused(text):
    with pytest.raises(ConfigError, match="is not a valid experiment name"):
        ids.check_name(text)


def test_canonical_json_is_the_documented_text():
    assert ids.canonical_json({"b": 1.0, "ü": "x", "a": [0.1, None]}) == '{"a":[0.1,null],"b":1.0,"ü":"x"}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_canonical_json_refuses_what_is_not_json(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        ids.canonical_json({"a": [value]})


@given(st.dictionaries(st.text(), TREES, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_canonical_json_does_not_depend_on_the_order_of_keys(tree, random):
    items = list(tree.items())
    random.shuffle(items)
    text = ids.canonical_json(dict(items))
    assert text == ids.canonical_json(tree)
    assert json.loads(text) == tree


def test_content_hash_is_the_sha256_of_the_text():
    expected = "1fff02ea612d9c15e71a9d506e4f2b0408c943831168c1a1e1daf1ce8f76ffea"
    assert ids.content_hash('{"a":[0.1,null],"b":1.0,"ü":"x"}') == expected


@pytest.mark.parametrize(
    ("base_seed", "run_number", "expected"),
    [
        (42, 1, 6434997491148346548),
        (42, 2, 2598275419114530716),
        (42, 1000, 8612360932898759269),
        (0, 1, 5836529245451711556),
        (ids.MAX_SEED, 1, 1313972901627904588),
    ],
)
def test_replicate_seed_equals_that_of_earlier_releases(base_seed, run_number, expected):
    assert seeds.replicate_seed(base_seed, run_number) == expected


@given(st.integers(0, ids.MAX_SEED), st.integers(1, 20_000))
def test_replicate_seed_fits_a_signed_column(base_seed, run_number):
    assert 0 <= seeds.replicate_seed(base_seed, run_number) <= ids.MAX_SEED


@given(st.integers(0, ids.MAX_SEED), st.sets(st.integers(1, 20_000), min_size=2, max_size=50))
def test_replicate_seeds_are_distinct(base_seed, run_numbers):
    assert len({seeds.replicate_seed(base_seed, number) for number in run_numbers}) == len(run_numbers)


def test_stream_generator_draws_the_numbers_of_earlier_releases():
    draws = seeds.stream_generator(42, "part:level=0.1").integers(0, 2**63, 3)
    assert draws.tolist() == [5171935094899025534, 3842897993133961581, 1047076994886071702]
    assert seeds.stream_generator(42, "prepare").integers(0, 2**63) == 3065556866374891728


@given(st.integers(0, ids.MAX_SEED), st.sets(st.text(), min_size=2, max_size=6))
def test_streams_of_one_seed_are_independent_of_each_other(seed, names):
    first = {seeds.stream_generator(seed, name).integers(0, 2**63) for name in names}
    assert len(first) == len(names)
    for name in names:  # independent of draws from other streams
        assert seeds.stream_generator(seed, name).integers(0, 2**63) in first
