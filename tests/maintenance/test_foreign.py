"""Rows that other programs bring into the tables, or take out: named by every command, in no dataset, undone by repair."""

from __future__ import annotations

import json
import uuid
import warnings
from datetime import UTC, datetime
from pathlib import Path

import deltalake
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import DamageWarning
from lakebatch.storage.delta.log import entry_name
from lakebatch.storage.delta.origins import NOTE

pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
NOT_OURS = "that lakebatch did not write"


@pytest.fixture
def toy(copied_lake) -> Path:
    """Return the folder of the experiment ``toy`` in a lake of its own."""
    return Path(copied_lake.storage.uri, "90_v1_toy")


def bring(table: Path, rows: pl.DataFrame, engine: str = "Daft/0.7.26") -> None:
    """Commit rows as an engine does that ignores constraints, such as Daft."""
    handle = deltalake.DeltaTable(str(table))
    columns = handle.metadata().partition_columns
    partition = {name: rows[name][0] for name in columns}
    folder = "".join(f"{name}={value}/" for name, value in partition.items())
    path = f"{folder}{uuid.uuid4()}-0.parquet"
    (table / folder).mkdir(exist_ok=True)
    rows.drop(columns).write_parquet(table / path)
    add = {
        "path": path,
        "partitionValues": partition,
        "size": (table / path).stat().st_size,
        "modificationTime": int(datetime.now(UTC).timestamp() * 1000),
        "dataChange": True,
        "stats": json.dumps({"numRecords": rows.height}),
    }
    actions = [{"commitInfo": {"operation": "WRITE", "engineInfo": engine}}, {"add": add}]
    entry = table / "_delta_log" / entry_name(handle.version() + 1)
    entry.write_text("".join(f"{json.dumps(each)}\n" for each in actions))


def some(table: Path, assembly: str = "run001", count: int = 2) -> pl.DataFrame:
    rows = pl.read_delta(str(table))
    return rows.filter(pl.col("assembly_id").str.ends_with(assembly)).head(count)


def make_removable(table: Path) -> deltalake.DeltaTable:
    handle = deltalake.DeltaTable(str(table))
    handle.alter.set_table_properties({"delta.appendOnly": "false"})
    return handle


def opened(toy: Path) -> lakebatch.Lake:
    return lakebatch.open_lake(toy.parent)


def messages(read) -> list[str]:
    """Return the warnings of a call about the rows of other programs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read()
    return [str(each.message) for each in caught if issubclass(each.category, DamageWarning)]


def quiet(read):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read()


def problems(toy: Path, *, deep: bool = False) -> list[str]:
    rows = opened(toy).doctor(deep=deep).filter(severity="problem")
    return [f"{row['check']}: {row['what']}" for row in rows.iter_rows(named=True)]


@pytest.fixture
def brought(toy) -> Path:
    """Two rows with an impossible number that another engine appended to the results."""
    rows = some(toy / "results").with_columns(mse=pl.lit(-1.0))
    bring(toy / "results", rows)
    return toy


def test_foreign_rows_are_in_no_dataset(copied_lake, toy):
    before = copied_lake["toy"].reassemble()
    counts = copied_lake.sql("SELECT count(*), min(mse) FROM toy.results").row(0)
    bring(toy / "results", some(toy / "results").with_columns(mse=pl.lit(-1.0)))
    lake = opened(toy)
    stored = lake["toy"]
    assert quiet(lambda: stored.reassemble()).equals(before)
    assert quiet(lambda: lake.sql("SELECT count(*), min(mse) FROM toy.results")).row(0) == counts
    assert quiet(lambda: pl.concat(stored.snapshot().pieces())).height == before.height
    files = quiet(lambda: stored.snapshot().files())
    assert files.rows == before.height
    assert files.to_arrow_dataset().to_table().num_rows == before.height
    assert quiet(lambda: stored.snapshot().gaps()) == quiet(lambda: copied_lake["toy"].snapshot().gaps())
    assert deltalake.DeltaTable(str(toy / "results")).to_pyarrow_table().num_rows > before.height


COMMANDS = (
    "sql 'SELECT count(*) FROM toy.results'|reassemble toy|report toy -o r.html|plot toy -o p.png|status"
    "|status toy|history toy|diff toy 3|completeness toy|replicates toy|verify toy RUN|du toy|optimize --yes|resume toy"
)


@pytest.mark.filterwarnings("always::lakebatch.errors.DamageWarning")
@pytest.mark.parametrize("command", COMMANDS.split("|"))
def test_every_command_names_foreign_rows(brought, command, tmp_path, monkeypatch):
    import shlex

    monkeypatch.chdir(tmp_path)
    first = next(each.name.partition("=")[2] for each in (brought / "results").glob("assembly_id=*run001"))
    words = [first if word == "RUN" else word for word in shlex.split(command)]
    shown = CliRunner().invoke(main, ["--lake", str(brought.parent), *words])
    lines = [line for line in shown.stderr.splitlines() if NOT_OURS in line]
    assert len(lines) == 1, shown.output
    assert "2 rows of 20" in lines[0]
    assert "WRITE by Daft/0.7.26" in lines[0]
    assert "lakebatch repair toy" in lines[0]


@pytest.mark.parametrize("table", ["assemblies", "sources", "logs", "tags", "sweeps", "samples"])
def test_foreign_rows_of_every_table_are_left_out(copied_lake, toy, table):
    copied_lake["toy"].tag("one")
    folder = toy / table
    if not folder.exists():
        pytest.skip("the toy experiment does not write it")
    stored = opened(toy)["toy"].table(table)
    rows = quiet(lambda: stored.at().scan().collect())
    bring(folder, rows.head(1) if "assembly_id" not in rows.columns else some(folder, count=1))
    again = opened(toy)["toy"].table(table)
    (text,) = messages(lambda: again.at())
    assert text.startswith(f"{folder} has 1 row")
    assert quiet(lambda: again.at().scan().collect()).height == rows.height
    (text,) = [each for each in problems(toy) if each.startswith("foreign")]
    assert opened(toy)["toy"].repair(dry_run=False)["state"].to_list() == ["healed"]
    assert [each for each in problems(toy, deep=True) if "foreign" in each] == []


def test_repair_takes_foreign_rows_out_and_records_it(brought):
    (found,) = [text for text in problems(brought) if NOT_OURS in text]
    assert found.startswith("foreign: ")
    stored = quiet(lambda: opened(brought)["toy"])
    planned = stored.repair()
    assert planned["state"].to_list() == ["can be healed"]
    assert "Another program brought 2 rows of 20" in planned["what"][0]
    version = deltalake.DeltaTable(str(brought / "results")).version()
    assert stored.repair(dry_run=False)["state"].to_list() == ["healed"]
    assert stored.repair().is_empty()
    assert problems(brought, deep=True) == []
    assert messages(lambda: opened(brought)["toy"].reassemble()) == []
    assert deltalake.DeltaTable(str(brought / "results")).to_pyarrow_table().num_rows == 24
    assert "repaired: 1 of results" in str(opened(brought)["toy"].history()["note"].to_list())
    assert quiet(lambda: opened(brought)["toy"].results.at(version).scan().collect())["mse"].min() != -1.0


def test_rows_of_an_assembly_without_events_are_named(toy):
    rows = some(toy / "results").with_columns(assembly_id=pl.lit("20260101_000000_run099"))
    bring(toy / "results", rows)
    (text, *_) = messages(lambda: opened(toy)["toy"].reassemble())
    assert "2 rows of 20260101_000000_run099" in text
    assert opened(toy)["toy"].repair(dry_run=False)["state"].to_list() == ["healed"]
    assert problems(toy) == []


def test_past_states_and_later_tags_are_without_foreign_rows(copied_lake, brought):
    lake = opened(brought)
    quiet(lambda: lake["toy"].tag("after"))
    for moment in ({"tag": "after"}, {"version": 9}, {}):
        assert quiet(lambda: lake["toy"].snapshot(**moment).reassemble())["mse"].min() != -1.0  # noqa: B023
    assert quiet(lambda: lake["toy"].snapshot(tag="after").reassemble()).height == 18


def test_optimize_merges_no_foreign_rows(brought):
    quiet(lambda: opened(brought).optimize(dry_run=False))
    deltalake.DeltaTable(str(brought / "results")).create_checkpoint()
    rows = quiet(lambda: opened(brought)["toy"].reassemble())
    assert rows.height == 18
    assert rows["mse"].min() != -1.0
    quiet(lambda: opened(brought).vacuum(keep_days=0, dry_run=False))
    assert deltalake.DeltaTable(str(brought / "results")).to_pyarrow_table().num_rows == 26


def test_another_engines_compaction_is_accepted(copied_lake, toy):
    before = copied_lake["toy"].reassemble()
    for name in ("results", "assemblies"):
        deltalake.DeltaTable(str(toy / name)).optimize.compact()
    assert messages(lambda: opened(toy)["toy"].reassemble()) == []
    assert opened(toy)["toy"].reassemble().equals(before)
    assert problems(toy, deep=True) == []


def test_another_engines_compaction_of_foreign_rows_is_left_out(copied_lake, brought):
    before = quiet(lambda: copied_lake["toy"].reassemble())
    deltalake.DeltaTable(str(brought / "results")).optimize.compact()
    texts = messages(lambda: opened(brought)["toy"].reassemble())
    assert any(NOT_OURS in text and "OPTIMIZE by delta-rs" in text for text in texts)
    assert any("lacks 9 rows of" in text for text in texts)
    assert quiet(lambda: opened(brought)["toy"].reassemble())["mse"].min() != -1.0
    states = opened(brought)["toy"].repair(dry_run=False)["state"].to_list()
    assert states == ["healed"]
    assert opened(brought)["toy"].reassemble().equals(before)
    assert problems(brought, deep=True) == []


@pytest.mark.parametrize("way", ["delete", "update", "overwrite", "restore"])
def test_what_others_take_out_is_named_and_comes_back(copied_lake, toy, way):
    before = copied_lake["toy"].reassemble()
    results = make_removable(toy / "results")
    if way == "delete":
        results.delete("level > 0.05")
    elif way == "update":
        results.update({"mse": "7.0"}, predicate="level > 0.05")
    elif way == "overwrite":
        deltalake.write_deltalake(results, pl.read_delta(str(toy / "results")).head(3), mode="overwrite")
    else:
        results.restore(4)
    texts = messages(lambda: opened(toy)["toy"].reassemble())
    assert any("that another program took out" in text for text in texts)
    rows = quiet(lambda: opened(toy)["toy"].reassemble())
    assert rows.height < 18
    assert rows["mse"].max() != 7.0
    assert any(text.startswith("foreign: ") for text in problems(toy))
    quiet(lambda: opened(toy).vacuum(keep_days=0, dry_run=False))  # the files that repair needs stay
    assert set(opened(toy)["toy"].repair(dry_run=False)["state"]) == {"healed"}
    assert opened(toy)["toy"].reassemble().equals(before)
    assert [text for text in problems(toy, deep=True) if "appendOnly" not in text] == []


def test_restored_merge_with_the_same_rows_is_harmless(copied_lake, toy):
    before = copied_lake["toy"].reassemble()
    results = make_removable(toy / "results")
    version = results.version()
    copied_lake.optimize(dry_run=False)
    results = deltalake.DeltaTable(str(toy / "results"))
    results.restore(version)
    assert messages(lambda: opened(toy)["toy"].reassemble()) == []
    assert opened(toy)["toy"].reassemble().equals(before)


def test_foreign_part_does_not_count_as_committed(copied_lake, toy):
    failed = copied_lake["toy"].snapshot().assemblies[-1]
    missing = [
        each
        for each in failed.parts
        if each not in copied_lake["toy"].snapshot().committed(failed.assembly_id)
    ]
    assert missing
    rows = some(toy / "results").with_columns(
        assembly_id=pl.lit(failed.assembly_id), part=pl.lit(missing[0]), mse=pl.lit(-1.0)
    )
    bring(toy / "results", rows)
    assert missing[0] not in quiet(lambda: opened(toy)["toy"].snapshot().committed(failed.assembly_id))


def test_note_saves_reading_the_log_and_is_not_believed_of_another_log(copied_lake, toy, monkeypatch):
    table = opened(toy)["toy"].results
    for _ in range(25):
        table.mark({"lakebatch.event": "noted"})
    note = json.loads((toy / "results" / NOTE).read_text())
    assert note["version"] == 30
    read: list[str] = []
    place = type(copied_lake.storage.place)
    real = place.read
    monkeypatch.setattr(place, "read", lambda self, path: (read.append(path), real(self, path))[1])
    opened(toy)["toy"].results.at().file_table  # noqa: B018
    entries = [path for path in read if path.endswith(".json") and "results/_delta_log" in path]
    assert len(entries) == 1 + table.version() - 30
    note["entry"] = "0"
    (toy / "results" / NOTE).write_text(json.dumps(note))
    read.clear()
    bring(toy / "results", some(toy / "results"))
    assert quiet(lambda: opened(toy)["toy"].results.at().file_table).height == 8


def test_rows_in_the_published_table_are_found_and_taken_out(copied_lake, toy):
    copied_lake.optimize(dry_run=False)
    folder = toy / "published"
    count = pl.read_delta(str(folder)).height
    bring(folder, pl.read_delta(str(folder)).head(2))
    assert any("published" in text for text in problems(toy))
    opened(toy).optimize(dry_run=False)
    assert problems(toy) == []
    assert pl.read_delta(str(folder)).height == count
