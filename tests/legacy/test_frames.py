"""Frames with any columns: the table gains columns, nothing is cast, and each frame is stored once."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from lakebatch.errors import AssemblyError, ConfigError, SchemaError
from lakebatch.legacy.frames.columns import original, place, storable
from lakebatch.legacy.frames.results import left_out, to_results
from lakebatch.legacy.frames.table import FrameTable, frame_names
from lakebatch.storage import Storage

AT = datetime(2026, 11, 25, tzinfo=UTC)
ONE, TWO, THREE = (f"20261125_080000_run00{number}" for number in (1, 2, 3))


@pytest.fixture
def table(tmp_path):
    return FrameTable(Storage(str(tmp_path)), "01_v1_trial", "saved")


def append(table, assembly_id, frame, part="p"):
    return table.append(assembly_id, part, frame, AT, {})


def test_table_grows_by_the_columns_that_frames_bring(table):
    append(table, ONE, pl.DataFrame({"a": [1]}))
    append(table, TWO, pl.DataFrame({"b": ["x"], "a": [2]}))
    append(table, THREE, pl.DataFrame({"c": [0.5]}))
    rows = table.read([ONE, TWO, THREE])
    assert rows.select("a", "b", "c").rows() == [(1, None, None), (2, "x", None), (None, None, 0.5)]


def test_column_of_another_type_is_added_and_not_cast(table):
    append(table, ONE, pl.DataFrame({"level": [0]}))
    append(table, TWO, pl.DataFrame({"level": [0.05]}))
    append(table, THREE, pl.DataFrame({"level": ["high"]}))
    rows = table.read([ONE, TWO, THREE])
    assert rows["level"].to_list() == [0, None, None]
    assert rows["level [double]"].to_list() == [None, 0.05, None]
    assert rows["level [string]"].to_list() == [None, None, "high"]
    assert rows.schema["level"] == pl.Int64


def test_reserved_names_and_names_differing_in_case_are_kept_apart(table):
    frame = pl.DataFrame({"assembly_id": ["mine"], "Row": [1], "R2": [0.5], "r2": [0.7], "time [s]": [3]})
    append(table, ONE, frame)
    append(table, TWO, frame)
    rows = table.read([ONE, TWO])
    stored = place(frame, rows.schema)
    assert len(set(stored.values())) == 5
    assert {original(name) for name in stored.values()} == set(frame.columns)
    for name in frame.columns:
        assert rows[stored[name]].to_list() == frame[name].to_list() * 2
    assert rows["assembly_id"].to_list() == [ONE, TWO]


def test_every_type_survives(table):
    frame = pl.DataFrame(
        {
            "text": ["a", None],
            "number": [0.1, float("inf")],
            "nan": [float("nan"), 1.0],
            "small": pl.Series([1, -2], dtype=pl.Int8),
            "flag": [True, None],
            "day": [date(2026, 1, 1), None],
            "time": [datetime(2026, 1, 1, 12, 0, 0, 123456), None],
            "instant": pl.Series([AT, None], dtype=pl.Datetime("us", "UTC")),
            "list": [[1.0, 2.0], []],
            "bytes": [b"\x00\xff", None],
            "R2 Score, (mean) = {x}": [1, 2],
        }
    )
    append(table, ONE, frame)
    assert table.read([ONE]).select(frame.columns).equals(frame)


def test_unsigned_integers_and_categories_are_converted_without_loss():
    frame = pl.DataFrame(
        {"u": pl.Series([2**32 - 1], dtype=pl.UInt32), "c": pl.Series(["a"], dtype=pl.Categorical)}
    )
    stored = storable(frame)
    assert stored.schema == {"u": pl.Int64, "c": pl.String}
    assert stored.rows() == frame.rows()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.Series([2**64 - 1], dtype=pl.UInt64), "'x' is UInt64"),
        (pl.Series([1], dtype=pl.Duration("us")), "no such type in Delta"),
        (pl.Series([{"a": 1}]), "no such type in Delta"),
        (pl.Series([1], dtype=pl.Datetime("ns")), "this has nanoseconds"),
        (pl.Series([[[1]]]).list.eval(pl.struct(pl.element())), "no such type in Delta"),
    ],
)
def test_value_that_cannot_be_stored_exactly_is_refused_with_its_name(column, message):
    with pytest.raises(SchemaError, match=message):
        storable(pl.DataFrame({"x": column}))


def test_same_frame_again_adds_nothing_and_a_different_one_is_refused(table):
    frame = pl.DataFrame({"a": [1, 2], "b": [None, float("nan")]})
    assert append(table, ONE, frame)
    append(table, TWO, pl.DataFrame({"a": [0.5], "c": [1]}))
    assert not append(table, ONE, frame)
    for other in (
        frame[:1],
        frame[::-1],
        frame.drop("b"),
        frame.with_columns(c=1),
        frame.cast({"a": pl.Float64}),
    ):
        with pytest.raises(
            AssemblyError, match=r"already holds other rows as 'saved'.*nothing is overwritten"
        ):
            append(table, ONE, other)
    assert table.read([ONE]).height == 2


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "a b", "ä", "-x", "x" * 101, "a\n", "a=b", None])
def test_name_that_leads_to_another_path_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="is not a name to save under"):
        FrameTable(Storage(str(tmp_path)), "01_v1_trial", name)


def test_names_of_saved_frames_are_listed(table, tmp_path):
    assert frame_names(Storage(str(tmp_path)), "01_v1_trial") == []
    append(table, ONE, pl.DataFrame({"a": [1]}))
    assert frame_names(Storage(str(tmp_path)), "01_v1_trial") == ["saved"]


def test_results_get_current_names_and_a_reason_for_each_missing_metric():
    frame = pl.DataFrame(
        {
            "Model": ["Neural Network", "my own", "x", "y"],
            "Feature Data": ["combined_dyn_data"] * 4,
            "R2 Score": [0.5, None, float("-inf"), 1.5],
            "Pearson Correlation": [1.0000000000000002, 0.5, -0.5, 0.1],
            "Distortion Factor": [0, 0, 0, 0],
            "Repeat": [0.0, 1.0, 2.0, 3.0],
            "Seed": [0.5, 1.0, 1.0, 1.0],
            "n_test": [-1, 1, 1, 1],
        }
    )
    results = to_results(frame)
    assert results.rows["model"].to_list() == ["neural_network", "my own", "x", "y"]
    assert results.rows["feature_set"].unique().to_list() == ["initial+dynamic"]
    assert results.rows["level"].to_list() == [0.0] * 4
    assert results.rows["r2"].to_list() == [0.5, None, None, None]
    assert results.rows["repeat"].to_list() == [0, 1, 2, 3]
    assert not {"seed", "n_test"} & set(
        results.rows.columns
    )  # 0.5 is no seed and -1 no size; neither is converted
    assert results.rows["error"].to_list() == [
        "pearson_r was 1.0000000000000002",
        "r2 was missing",
        "r2 was -inf",
        "r2 was 1.5",
    ]


def test_clean_and_noisy_expression_are_distinguished():
    names = ["original_feature_data", "noisy_feature_data"]
    noisy = to_results(pl.DataFrame({"Feature Data": names, "R2 Score": [0.1, 0.2]}))
    assert noisy.rows["feature_set"].to_list() == ["initial_clean", "initial"]
    clean = to_results(pl.DataFrame({"Feature Data": names[:1], "R2 Score": [0.1]}))
    assert clean.rows["feature_set"].to_list() == ["initial"]


@pytest.mark.parametrize("frame", [{"a": [1]}, {"Model": ["x"]}, {"R2 Score": [0.5]}])
def test_frame_without_model_and_metric_holds_no_results(frame):
    assert to_results(pl.DataFrame(frame)) is None


def test_cell_that_is_no_number_costs_that_cell_with_a_reason():
    frame = pl.DataFrame(
        {
            "Model": ["a", "b", "c"],
            "R2 Score": ["0.5", "#N/A", " 0.25"],
            "Mean Squared Error": [1.0, 2.0, None],
            "Repeat": ["0", "NA", "1.5"],
            "Pearson Correlation": ["none", "none", None],
        }
    )
    found = to_results(frame)
    assert found.rows["r2"].to_list() == [0.5, None, 0.25]
    assert found.rows["repeat"].to_list() == [0, None, None]
    assert found.rows["error"].to_list() == [
        None,
        "r2 was '#N/A'; repeat was 'NA'",
        "repeat was '1.5'; mse was missing",
    ]
    assert left_out(frame, found) == ["Pearson Correlation"]
