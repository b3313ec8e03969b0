"""Fingerprints of rows: equal for equal rows in any order and division, else different."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebatch.storage.delta.commit_metadata import add, fingerprint

ROWS = pl.DataFrame(
    {
        "part": ["a", "a", "b", None],
        "level": [0.0, 0.1, None, -0.0],
        "repeat": [0, 1, 2, None],
        "at": [datetime(2026, 11, 23, 14, 22, tzinfo=UTC)] * 3 + [None],
        "flag": [True, False, None, True],
        "values": [[1.0, 2.0], [], None, [None, 3.0]],
        "names": [["x"], [], None, ["y", "x"]],
    }
)
FINITE = st.one_of(st.none(), st.floats(allow_nan=False, width=32))


def test_fingerprint_of_known_rows_never_changes():
    """Commits store it, and are checked years later with other versions of every package."""
    assert fingerprint([ROWS]) == "b08db240285aa992"
    assert fingerprint([]) == fingerprint([ROWS.clear()]) == "0" * 16


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(4)), st.integers(0, 4))
def test_order_and_division_of_the_rows_do_not_matter(order, cut):
    mixed = ROWS[order]
    assert fingerprint([mixed[:cut], mixed[cut:]]) == fingerprint([ROWS])
    assert add([fingerprint([mixed[:cut]]), fingerprint([mixed[cut:]])]) == fingerprint([ROWS])


def test_column_of_nulls_and_wider_types_do_not_matter():
    wider = ROWS.with_columns(pl.lit(None).alias("new"), pl.col("repeat").cast(pl.Int32))
    assert fingerprint([wider]) == fingerprint([ROWS])
    single = ROWS.with_columns(pl.col("values").cast(pl.List(pl.Float32)))
    assert fingerprint([single]) == fingerprint([ROWS])


@pytest.mark.parametrize(
    "other",
    [
        ROWS[:3],
        pl.concat([ROWS, ROWS[:1]]),
        ROWS.with_columns(level=pl.Series([0.0, 0.1000000001, None, -0.0])),
        ROWS.with_columns(level=pl.Series([-0.0, 0.1, None, -0.0])),
        ROWS.with_columns(level=pl.Series([0.1, 0.0, None, -0.0])),
        ROWS.with_columns(flag=pl.Series([True, True, None, True])),
        ROWS.with_columns(values=pl.Series([[2.0, 1.0], [], None, [None, 3.0]])),
        ROWS.with_columns(values=pl.Series([[1.0], [2.0], None, [None, 3.0]])),
        ROWS.with_columns(values=pl.Series([[1.0, 2.0], None, [], [None, 3.0]])),
        ROWS.with_columns(values=pl.Series([[1.0, 2.0], [], None, [3.0, None]])),
        ROWS.with_columns(names=pl.Series([["x"], [], None, ["x", "y"]])),
        ROWS.rename({"flag": "flags"}),
    ],
    ids=range(12),
)
def test_different_rows_have_different_fingerprints(other):
    assert fingerprint([other]) != fingerprint([ROWS])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(FINITE, max_size=4), max_size=5))
def test_lists_are_distinguished_by_their_elements(lists):
    frame = pl.DataFrame({"values": lists}, schema={"values": pl.List(pl.Float64)})
    one_by_one = [fingerprint([frame[index]]) for index in range(frame.height)]
    assert add(one_by_one) == fingerprint([frame])
    assert len(set(one_by_one)) == len({repr(each) for each in lists})
