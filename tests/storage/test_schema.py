"""Checks of a frame before it is written."""

import math
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebatch.errors import SchemaError
from lakebatch.storage.delta.schema import (
    TYPES,
    Column,
    TableSchema,
    conform,
    difference,
    load_schema,
    table_names,
)

RESULTS = load_schema("results")
AT = datetime(2026, 11, 23, 14, 22, 30, tzinfo=UTC)
PLAIN = TableSchema(
    table="plain",
    version=1,
    description="For tests.",
    partition_by=(),
    columns=(
        Column("key", "string", "The key.", nullable=False),
        Column("count", "long", "A count."),
        Column("small", "integer", "A smaller count."),
        Column("value", "double", "A value."),
        Column("times", "list<double>", "Values.", nullable=False),
        Column("names", "list<string>", "Names."),
    ),
    constraints={},
)


def plain(**columns):
    """Return a frame that fits, with some of its columns replaced or added."""
    base = {"key": pl.Series(["a", "b"]), "times": pl.Series([[1.0], []], dtype=pl.List(pl.Float64))}
    return pl.DataFrame(base | columns)


def refused(frame):
    with pytest.raises(SchemaError) as caught:
        conform(frame, PLAIN)
    return str(caught.value)


def test_missing_nullable_columns_are_filled_in_the_order_of_the_schema():
    frame = conform(plain(value=pl.Series([0.5, None])), PLAIN)
    assert dict(frame.schema) == PLAIN.polars
    assert frame.columns == [column.name for column in PLAIN.columns]
    assert frame["count"].null_count() == 2
    assert frame["value"].to_list() == [0.5, None]


def test_results_frame_conforms_in_any_order_of_columns():
    frame = pl.DataFrame({"r2": [0.5], "part": ["p"], "recorded_at": [AT], "assembly_id": ["a"]})
    stamped = frame.with_columns(pl.col("recorded_at").cast(pl.Datetime("us", "UTC")))
    row = conform(stamped, RESULTS).row(0, named=True)
    assert {name: value for name, value in row.items() if value is not None} == {
        "assembly_id": "a", "part": "p", "r2": 0.5, "recorded_at": AT,
    }  # fmt: skip


def test_all_mismatches_are_named_in_one_message():
    message = refused(
        pl.DataFrame(
            {
                "key": pl.Series(["a", None]),
                "value": pl.Series(["high", "low"]),
                "count": pl.Series([1.5, 2.5]),
                "colour": pl.Series(["red", "blue"]),
            }
        )
    )
    assert message.startswith("Cannot append to 'plain': ")
    for clause in (
        "column 'colour' is not in schemas/plain.toml. Remove it in run()",
        "column 'key' is NULL in 1 rows and must not be",
        "column 'count' is Float64, schemas/plain.toml says Long. Cast it in run()",
        "column 'value' is String, schemas/plain.toml says Double. Cast it in run()",
        "column 'times' is missing and schemas/plain.toml requires it",
    ):
        assert clause in message


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("count", pl.Float64), ("count", pl.Float32), ("count", pl.UInt64), ("count", pl.String), ("count", pl.Boolean),
        ("small", pl.Int64), ("small", pl.UInt32), ("value", pl.Int64), ("value", pl.Int32), ("value", pl.String),
        ("key", pl.Int64), ("key", pl.Categorical), ("names", pl.List(pl.Int64)), ("names", pl.String),
        ("times", pl.List(pl.Float32)), ("times", pl.Float64),
    ],
)  # fmt: skip
def test_lossy_cast_is_refused(column, dtype):
    frame = plain(**{column: pl.Series([None, None], dtype=dtype)})
    assert f"column '{column}' is {frame[column].dtype}, schemas/plain.toml says" in refused(frame)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("count", pl.Int8),
        ("count", pl.UInt32),
        ("small", pl.UInt16),
        ("value", pl.Float32),
        ("value", pl.Null),
    ],
)
def test_narrower_numbers_are_widened_without_loss(column, dtype):
    values = [None, None] if dtype == pl.Null else [3, 4]
    frame = conform(plain(**{column: pl.Series(values, dtype=dtype)}), PLAIN)
    assert frame[column].dtype == PLAIN.polars[column]
    assert frame[column].to_list() == values


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_single_precision_is_widened_exactly(values):
    frame = conform(plain(value=pl.Series(values, dtype=pl.Float32)), PLAIN)
    assert frame["value"].to_list() == values


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_refused(bad):
    assert "column 'value' holds NaN or an infinity 1 times. Write NULL and say why in 'error'" in refused(
        plain(value=pl.Series([1.0, bad]))
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_number_that_is_not_finite_is_refused_inside_lists(bad):
    assert "column 'times' holds NaN or an infinity 2 times" in refused(plain(times=[[1.0, bad], [bad]]))


@pytest.mark.parametrize("dtype", [pl.List(pl.Float64), pl.Null])
def test_null_in_a_required_column_is_refused(dtype):
    frame = plain(times=pl.Series([None, None], dtype=dtype))
    assert "column 'times' is NULL in 2 rows and must not be" in refused(frame)


def test_lists_keep_their_values():
    frame = conform(plain(names=[["x", "y"], None]), PLAIN)
    assert frame["times"].to_list() == [[1.0], []]
    assert frame["names"].to_list() == [["x", "y"], None]


def test_empty_frame_conforms():
    assert conform(plain().clear(), PLAIN).height == 0


def test_unknown_table_is_named_with_the_known_ones():
    with pytest.raises(SchemaError, match=r"Unknown table 'result'. Known: .*assemblies, .*results"):
        load_schema("result")
    assert {"assemblies", "results"} <= set(table_names())


@pytest.mark.parametrize("name", TYPES)
def test_every_type_exists_in_polars_and_delta(name):
    schema = TableSchema("x", 1, "", (), (Column("x", name, "An x."),), {})
    assert pl.DataFrame(schema=schema.polars).to_arrow().cast(schema.arrow).schema == schema.arrow


def test_difference_names_every_column_that_differs():
    actual = pa.schema(
        [("key", pa.int64()), ("count", pa.int64()), ("colour", pa.string()), ("value", pa.float64()), ("small", pa.int32())]
    )  # fmt: skip
    assert difference(actual, PLAIN) == [
        "column 'key' is int64, schemas/plain.toml says string",
        "column 'times' is missing, schemas/plain.toml has it",
        "column 'names' is missing, schemas/plain.toml has it",
        "column 'colour' is not in schemas/plain.toml",
    ]
    assert difference(PLAIN.arrow, PLAIN) == []
