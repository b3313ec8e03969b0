"""Comparison of rows, shared by verify, replicates and check."""

import polars as pl
import pytest

import lakebatch
from lakebatch.snapshot import compare


def test_rows_leave_out_volatile_columns_and_come_in_a_fixed_order(stored, lake, toy):
    one, other = (lakebatch.run(lake, toy, jobs=1, seed=5).assembly_id for _ in range(2))
    snapshot = stored.snapshot()
    first, second = (compare.rows(snapshot, each, "results") for each in (one, other))
    assert first.equals(second)
    assert first.height == 9
    assert not {"assembly_id", "fit_seconds", "recorded_at"} & set(first.columns)
    assert first.select("part", "repeat").rows() == sorted(first.select("part", "repeat").rows())


def test_table_never_written_has_no_rows(stored):
    (first,) = stored.assemblies()["assembly_id"]
    rows = compare.rows(stored.snapshot(), first, "samples")
    assert rows.is_empty()
    assert "assembly_id" not in rows.columns


def test_differences_count_rows_and_give_the_largest_relative_one():
    before = pl.DataFrame({"key": ["a", "b", "c"], "mse": [1.0, 2.0, None], "values": [[1.0], [2.0], [4.0]]})
    after = pl.DataFrame({"key": ["a", "b", "c"], "mse": [1.5, 2.0, 3.0], "values": [[1.0], [2.0], [5.0]]})
    assert compare.differences(before, before).is_empty()
    assert compare.differences(before, after).rows() == [("mse", 2, 0.5), ("values", 1, 0.25)]


def test_differences_of_strings_and_of_lists_of_other_lengths_have_no_size():
    before = pl.DataFrame({"key": ["a"], "values": [[1.0]]})
    after = pl.DataFrame({"key": ["b"], "values": [[1.0, 2.0]]})
    assert compare.differences(before, after).rows() == [("key", 1, None), ("values", 1, None)]


@pytest.mark.parametrize("sides", [(2, 3), (3, 1)])
def test_unequal_row_counts_are_the_only_difference(sides):
    before, after = (pl.DataFrame({"mse": [0.5] * count}) for count in sides)
    assert compare.differences(before, after).rows() == [("number of rows", abs(sides[0] - sides[1]), None)]


def test_digests_agree_exactly_when_rows_do(stored, lake, toy):
    ids = [lakebatch.run(lake, toy, jobs=1, seed=seed).assembly_id for seed in (5, 5, 6)]
    snapshot = stored.snapshot()
    one, same, other = (compare.digests(snapshot, ids, "results", "warn")[each] for each in ids)
    assert one == same != other
    rows = [compare.rows(snapshot, each, "results") for each in ids]
    assert compare.differences(rows[0], rows[1]).is_empty()
    assert not compare.differences(rows[0], rows[2]).is_empty()
