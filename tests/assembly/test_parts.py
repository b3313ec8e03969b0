"""Parts of an assembly: each in the table exactly once, stamped, and streamed if it is large."""

import secrets
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakebatch.assembly.part_rows import check_reasons
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.spool import BATCH_ROWS, PartSpool
from lakebatch.errors import ExperimentError, SchemaError
from lakebatch.storage.delta.commit_metadata import encode, fingerprint
from lakebatch.storage.delta.schema import load_schema

AT = datetime(2026, 11, 23, 14, 22, 31, tzinfo=UTC)
ROWS = pl.DataFrame({"repeat": [0, 1], "r2": [0.25, None], "error": [None, "constant"]})


@pytest.fixture
def writer(results, names):
    return PartWriter(results, names.assembly_id, {"lakebatch.experiment": "90_v1_toy"})


@pytest.fixture
def spool(tmp_path, names):
    """Return a function that spools frames of one table as the rows of a part."""

    def write(*frames, table="results", part="level=0"):
        folder = tmp_path / f"spool{secrets.randbits(64)}"
        with PartSpool(folder, [load_schema(table)], names.assembly_id, part) as files:
            for frame in frames:
                files.write({table: frame})
            return files.finish()[table]

    return write


def append(writer, spool, part, *frames, spooled):
    """Append frames as the rows of a part, through a spool or as one frame."""
    if spooled:
        return writer.append_spooled(part, spool(*frames, part=part))
    return writer.append(part, pl.concat(frames), AT)


def rows_of(table):
    return table.at().scan().collect().sort("part", "repeat")


def test_part_is_stamped_and_complete(results, writer, names):
    assert writer.append("level=0", ROWS, AT)
    rows = rows_of(results)
    assert rows.columns == [column.name for column in results.schema.columns]
    assert rows.select("assembly_id", "part", "repeat", "r2", "recorded_at").rows() == [
        (names.assembly_id, "level=0", 0, 0.25, AT),
        (names.assembly_id, "level=0", 1, None, AT),
    ]
    assert rows["model"].null_count() == 2


def test_part_is_one_commit_that_names_it(results, writer, names):
    before = results.version()
    writer.append("level=0", ROWS, AT)
    last = results.commits()[-1]
    assert last.version == before + 1
    assert {key: last.metadata[key] for key in last.metadata if key.startswith("lakebatch.")} == {
        "lakebatch.experiment": "90_v1_toy",
        "lakebatch.assembly_id": names.assembly_id,
        "lakebatch.part": "level=0",
        "lakebatch.fingerprint": fingerprint([results.at().scan().collect()]),
        "lakebatch.copy": encode(results.at().scan().select("fit_seconds", "recorded_at").collect()),
    }


def test_stored_part_is_not_appended_again(results, writer, open_table, names):
    assert writer.append("level=0", ROWS, AT)
    assert not writer.append("level=0", ROWS, AT)
    assert not PartWriter(open_table(), names.assembly_id, {}).append("level=0", ROWS, AT)
    assert rows_of(results).height == 2


def test_same_part_of_another_assembly_is_appended(results, writer, open_table):
    other = PartWriter(open_table(), "20261123_142230_run002", {})
    assert writer.append("level=0", ROWS, AT)
    assert other.append("level=0", ROWS, AT)
    assert rows_of(results).height == 4
    assert writer.committed() == other.committed() == {"level=0"}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=10),
    st.integers(1, 10**6),
)
def test_any_schedule_of_writers_and_resumptions_appends_each_part_once(open_table, schedule, run):
    """Three writers append in any order; a writer may lose its state, like a new process."""
    open_table().ensure()
    assembly_id = f"20261123_142230_run{run:03d}{secrets.randbits(48)}"
    writers = [PartWriter(open_table(), assembly_id, {}) for _ in range(3)]
    appended = []
    for who, part, restart in schedule:
        if restart:
            writers[who] = PartWriter(open_table(), assembly_id, {})
        assert writers[who].append(str(part), ROWS, AT) == (part not in appended)
        appended.append(part)
    rows = open_table().at().scan().filter(assembly_id=assembly_id).collect()
    assert sorted(rows["part"]) == sorted(2 * [str(part) for part in set(appended)])


def test_four_processes_with_the_same_parts_append_each_once(tmp_path, results, run_together, names):
    """More writers of one assembly than are allowed: each part has one winner."""
    imports = """
import polars as pl
from datetime import UTC, datetime
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.storage import Storage
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.table import Table
"""
    script = f"""
table = Table(Storage({str(tmp_path / "lake")!r}), "90_v1_toy", load_schema("results"))
writer = PartWriter(table, {names.assembly_id!r}, {{}})
for part in "abcd":
    writer.append(part, pl.DataFrame({{"repeat": [0, 1]}}), datetime.now(UTC))
"""
    run_together(imports, [script] * 4)
    assert sorted(rows_of(results)["part"]) == sorted("aabbccdd")


def test_spooled_part_is_one_commit(results, writer, spool):
    before = results.version()
    pieces = [pl.DataFrame({"repeat": [index], "r2": [index / 10]}) for index in range(7)]
    spooled = spool(*pieces)
    assert spooled.rows == 7
    assert writer.append_spooled("level=0", spooled)
    assert results.version() == before + 1
    assert rows_of(results)["r2"].to_list() == [index / 10 for index in range(7)]


def test_spooled_part_and_frame_give_the_same_rows(results, writer, spool):
    writer.append_spooled("a", spool(ROWS.head(1), ROWS.tail(1), part="a"))
    writer.append("b", ROWS, AT)
    rows = rows_of(results).drop("recorded_at")
    assert rows.filter(part="a").drop("part").equals(rows.filter(part="b").drop("part"))


def test_spooled_part_has_one_timestamp_after_its_last_row(results, writer, spool, tmp_path, names):
    with PartSpool(
        tmp_path / "part0",
        [load_schema(name) for name in ("samples", "results")],
        names.assembly_id,
        "level=0",
    ) as files:
        files.write({"results": ROWS, "samples": pl.DataFrame({"sample": [1]})})
        after = datetime.now(UTC)
        files.write({"results": ROWS})
        spooled = files.finish()
    assert after < spooled["results"].at == spooled["samples"].at < datetime.now(UTC)
    writer.append_spooled("level=0", spooled["results"])
    assert rows_of(results)["recorded_at"].unique().to_list() == [spooled["results"].at]


@pytest.mark.parametrize("heights", [[1] * 250, [0, 3, 0], [4_000] * 8, [30_000, 1, 30_000, 2]])
def test_spool_counts_hashes_and_copies_the_rows_that_the_table_gets(results, writer, spool, heights):
    frames = [
        pl.DataFrame({"repeat": range(n), "fit_seconds": [n / 7] * n, "error": ["ü"] * n}).cast(
            {"fit_seconds": pl.Float64, "error": pl.String, "repeat": pl.Int64}
        )
        for n in heights
    ]
    spooled = spool(*frames)
    writer.append_spooled("level=0", spooled)
    stored = results.at().scan().collect()
    assert spooled.rows == stored.height == sum(heights)
    assert spooled.fingerprint == fingerprint([stored])
    assert fingerprint([spooled.frame()]) == fingerprint([stored])
    assert spooled.copy == encode(spooled.frame().select("fit_seconds", "recorded_at"))
    metadata = results.commits()[-1].metadata
    assert metadata["lakebatch.fingerprint"] == spooled.fingerprint
    assert metadata["lakebatch.copy"] == spooled.copy


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (pl.DataFrame({"repeat": [1], "r2": [float("nan")]}), "column 'r2' holds NaN"),
        (pl.DataFrame({"repeat": [1.5], "r2": [0.1]}), "column 'repeat' is Float64"),
        (
            pl.DataFrame({"repeat": [1], "r2": [2.0]}),
            r"fails: r2_at_most_one \(r2 IS NULL OR r2 <= 1\), with r2 = 2.0\.$",
        ),
        (pl.DataFrame({"colour": ["red"]}), "column 'colour' is not in"),
    ],
)
@pytest.mark.parametrize("spooled", [False, True])
def test_part_with_rows_that_do_not_fit_is_refused_at_once(
    results, writer, spool, parquet_files, bad, fault, spooled
):
    began = datetime.now(UTC)
    with pytest.raises(SchemaError, match=fault):
        append(writer, spool, "level=0", bad, bad, spooled=spooled)
    assert (datetime.now(UTC) - began).total_seconds() < 5
    assert rows_of(results).is_empty()
    assert writer.append("level=0", ROWS, AT)


@pytest.mark.parametrize("column", ["assembly_id", "part", "recorded_at"])
@pytest.mark.parametrize("spooled", [False, True])
def test_columns_filled_in_by_lakebatch_are_refused(results, writer, spool, column, spooled):
    bad = ROWS.with_columns(pl.lit("mine").alias(column))
    with pytest.raises(
        ExperimentError, match=f"run.. returned the columns {column}, which are filled in here"
    ):
        append(writer, spool, "level=0", bad, spooled=spooled)
    assert rows_of(results).is_empty()


def test_spool_refuses_frames_of_different_columns(spool):
    with pytest.raises(ExperimentError, match="frames of different columns"):
        spool(ROWS, ROWS.drop("r2"))


@pytest.mark.parametrize("heights", [[1] * 250, [0, 3, 0], [4_000] * 8, [30_000, 1, 30_000, 2]])
def test_spool_joins_small_frames_in_order(spool, heights):
    """Every batch but the last has a minimum size, and none exceeds it by more than one frame."""
    ends = [sum(heights[: index + 1]) for index in range(len(heights))]
    frames = [
        pl.DataFrame({"repeat": range(end - height, end)}, schema={"repeat": pl.Int64})
        for end, height in zip(ends, heights, strict=True)
    ]
    back = [pl.DataFrame(each) for each in spool(*frames).read()]
    assert pl.concat(back)["repeat"].equals(pl.concat(frames)["repeat"])
    assert all(each.height >= BATCH_ROWS for each in back[:-1])
    assert all(each.height < BATCH_ROWS + max(heights) for each in back)


def test_spooled_bytes_are_bounded_in_memory_and_on_disk(spool, monkeypatch):
    monkeypatch.setattr("lakebatch.assembly.spool.BATCH_BYTES", 10_000)
    frame = pl.DataFrame({"sample": [0], "initial": [[0.5] * 1_000]})
    assert [batch.num_rows for batch in spool(*[frame] * 5, table="samples").read()] == [2, 2, 1]


def test_part_without_a_row_in_its_last_table_or_with_an_unknown_table_is_refused(tmp_path, names):
    with PartSpool(
        tmp_path / "part0",
        [load_schema(name) for name in ("samples", "results")],
        names.assembly_id,
        "level=0",
    ) as files:
        with pytest.raises(ExperimentError, match=r"rows for other\. Its tables are samples, results"):
            files.write({"other": ROWS})
        files.write({"samples": pl.DataFrame({"sample": [1]}), "results": ROWS.head(0)})
        with pytest.raises(ExperimentError, match="no row for 'results', in which each part must have one"):
            files.finish()


@pytest.mark.parametrize("name", ["mse", "r2", "pearson_r", "pearson_p"])
@pytest.mark.parametrize(
    "told", [{}, {"error": [None, "why"]}, {"error": [" ", "why"]}, {"error": [None, None]}]
)
def test_null_metric_needs_a_reason(spool, name, told):
    schema = load_schema("results")
    rows = pl.DataFrame({"level": [0.0, 0.1], "model": ["a", "b"], name: [None, 0.5], **told}, strict=False)
    with pytest.raises(SchemaError, match=f"column '{name}' is NULL in 1 rows in which 'error' says nothing"):
        check_reasons(rows, schema)
    with pytest.raises(SchemaError, match=f"column '{name}' is NULL in 1 rows in which 'error' says nothing"):
        spool(rows)
    check_reasons(rows.with_columns(error=pl.lit("too few samples")), schema)
    check_reasons(rows.drop(name), schema)
    check_reasons(rows, load_schema("samples"))
