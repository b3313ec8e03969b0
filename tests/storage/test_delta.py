"""A table: created once, appended to exactly once, read at any version."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import damage_done
import deltalake
import polars as pl
import pytest

from lakebatch.errors import CommitError, DamageError, DamageWarning, SchemaError, StorageError
from lakebatch.storage import Storage
from lakebatch.storage.delta import table as delta
from lakebatch.storage.delta import table_format
from lakebatch.storage.delta.checkpoints import is_due_between
from lakebatch.storage.delta.log import PLACEHOLDER
from lakebatch.storage.delta.reader import read_latest
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.table import Table
from lakebatch.storage.retry import COMMITS


def parts_in(state):
    return sorted(state.scan().collect()["part"].to_list())


def parts_of(table):
    return parts_in(table.at())


def once(table, data, part="p", transaction="a"):
    """Append the rows of a part unless the table holds it, as the part writer does."""

    def data_after(state, last):
        return None if part in read_latest(table, parts_in, state) else data

    return table.append_once(transaction, data_after, {"made": "here"})


@pytest.fixture
def fault(monkeypatch):
    """Return a function that calls hooks before and after each real write."""
    real = deltalake.write_deltalake

    def inject(before=None, after=None):
        calls = []

        def write(*arguments, **options):
            calls.append(arguments[0])
            if before:
                before(len(calls))
            real(*arguments, **options)
            if after:
                after(len(calls))

        monkeypatch.setattr(deltalake, "write_deltalake", write)
        return calls

    return inject


def fail_first(error):
    def act(call):
        if call == 1:
            raise error

    return act


def test_append_returns_true_and_stores_its_rows(results, frame):
    assert once(results, frame(r2=0.5))
    assert results.at().scan().select("part", "r2").collect().rows() == [("p", 0.5)]
    assert not once(results, frame(r2=0.7))
    assert parts_of(results) == ["p"]


def test_append_records_metadata_and_transaction(results, frame):
    once(results, frame())
    once(results, frame("q"), part="q")
    last = results.commits()[-1]
    assert (last.version, last.operation, last.metadata["made"]) == (3, "WRITE", "here")
    assert deltalake.DeltaTable(results.uri).transaction_version("a") == 2
    assert [commit.version for commit in results.commits()] == [0, 1, 2, 3]


def test_failure_after_the_commit_does_not_write_twice(results, frame, fault):
    calls = fault(after=fail_first(deltalake.exceptions.DeltaError("post-commit hook failed")))
    assert once(results, frame())
    assert parts_of(results) == ["p"]
    assert len(calls) == 1


def test_log_is_read_from_a_checkpoint_of_the_last_commits(results, open_table, frame):
    for part in range(45):
        assert once(results, frame(f"{part}"), part=f"{part}")
    log = Path(results.uri, "_delta_log")
    assert json.loads((log / "_last_checkpoint").read_bytes())["version"] == 40
    assert len(list(log.glob("*.checkpoint.parquet"))) == 4
    for lost in range(40):
        (log / f"{lost:020d}.json").unlink()  # needed neither by open tables nor to open one
    assert once(results, frame("45"), part="45")
    assert not once(open_table(), frame("7"), part="7")
    assert parts_of(open_table()) == sorted(map(str, range(46)))


def test_checkpoints_of_a_growing_table_become_rarer():
    due = [version for version in range(1, 20_001) if is_due_between(version - 1, version)]
    assert due[:4] == [10, 20, 30, 40]
    assert sum(due) < 105 * 20_000  # entries in all checkpoints of 20,000 files
    assert is_due_between(9, 25)
    assert not is_due_between(10, 19)


def test_failed_checkpoint_is_reported_and_loses_nothing(results, frame, caplog):
    """A folder blocks the path of the checkpoint's pointer."""
    blocker = Path(results.uri, "_delta_log", "_last_checkpoint")
    (blocker / "folder").mkdir(parents=True)
    parts = [f"{index:02d}" for index in range(25)]
    for part in parts:
        assert once(results, frame(part), part=part)
    assert parts_of(results) == parts
    assert caplog.text.count("has no checkpoint at version 20") == 1
    assert "attempt" not in caplog.text


def checkpointed(results, frame):
    """Return the folder of the log of a table with the parts a and b and a checkpoint after them."""
    for part in "ab":
        once(results, frame(part), part=part)
    deltalake.DeltaTable(results.uri).create_checkpoint()
    return Path(results.uri, "_delta_log")


def test_damaged_checkpoint_is_named_and_the_append_is_made_once_after_its_removal(
    results, open_table, frame
):
    log = checkpointed(results, frame)
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    damage_done.cut(checkpoint, 100)
    with pytest.raises(DamageError, match=f"{checkpoint} cannot be read .*lakebatch repair toy@v1"):
        once(open_table(), frame("c"), part="c")
    checkpoint.unlink()
    (log / "_last_checkpoint").unlink()
    assert once(open_table(), frame("c"), part="c")
    assert not once(open_table(), frame("b"), part="b")
    assert parts_of(results) == list("abc")


def test_truncated_checkpoint_pointer_is_ignored(results, open_table, frame):
    damage_done.cut(checkpointed(results, frame) / "_last_checkpoint", 10)
    assert not once(open_table(), frame("b"), part="b")
    assert once(open_table(), frame("c"), part="c")
    assert parts_of(open_table()) == list("abc")


def test_leftovers_of_killed_writers_are_ignored(results, open_table, frame):
    log = checkpointed(results, frame)
    next_version = results.version() + 1
    for name in (
        "_commit_1f0c.json.tmp",
        f"{next_version:020d}.json#1",
        f"../part-0-{next_version}.parquet#1",
    ):
        (log / name).write_bytes(b'{"add":')
    assert once(open_table(), frame("c"), part="c")
    assert results.version() == next_version
    assert parts_of(results) == list("abc")


def test_commit_emptied_by_a_power_cut_is_reported_and_repeated_once(results, open_table, frame):
    """Engines skip an empty entry, so that its rows and its transaction are lost."""
    for part in "ab":
        once(results, frame(part), part=part)
    entry = damage_done.emptied(damage_done.entry(Path(results.uri), results.version()))
    with pytest.warns(DamageWarning, match=f"{entry} is empty, so the rows committed there are missing"):
        assert parts_of(open_table()) == ["a"]
    with pytest.warns(DamageWarning):
        assert once(open_table(), frame("b"), part="b")
    with pytest.warns(DamageWarning):
        assert not once(open_table(), frame("b"), part="b")
    entry.write_text(PLACEHOLDER)
    assert parts_of(open_table()) == ["a", "b"]


@pytest.mark.parametrize("place", ["oldest", "newest"])
def test_pipe_in_place_of_a_commit_is_refused(results, open_table, frame, place):
    """Engines skip it, and wait for ever when a commit meets it."""
    for part in "abc":
        once(results, frame(part), part=part)
    entry = damage_done.entry(Path(results.uri), results.version() - (2 if place == "oldest" else 0))
    entry.unlink()
    os.mkfifo(entry)
    for use in (lambda: once(open_table(), frame("d"), part="d"), lambda: open_table().at()):
        with pytest.raises(DamageError, match=f"{entry} is no regular file but a pipe.* Put it back"):
            use()


def test_truncated_commit_is_named_and_repeated_once(results, open_table, frame):
    for part in "ab":
        once(results, frame(part), part=part)
    entry = damage_done.cut(damage_done.entry(Path(results.uri), results.version()), 500)
    with pytest.raises(DamageError, match=f"{entry} is cut off or damaged"):
        once(open_table(), frame("b"), part="b")
    entry.write_text(PLACEHOLDER)
    assert once(open_table(), frame("b"), part="b")
    assert parts_of(results) == ["a", "b"]


def test_failure_before_the_commit_is_retried(results, frame, fault):
    calls = fault(before=fail_first(OSError("connection reset")))
    assert once(results, frame())
    assert parts_of(results) == ["p"]
    assert len(calls) == 2


def test_last_attempt_is_checked_too(results, frame, fault, monkeypatch):
    monkeypatch.setattr(delta, "COMMITS", replace(COMMITS, attempts=1))
    fault(after=fail_first(deltalake.exceptions.DeltaError("post-commit hook failed")))
    assert once(results, frame())
    assert parts_of(results) == ["p"]


def test_failed_append_reports_that_nothing_was_written(results, frame, fault, monkeypatch):
    def refuse(call):
        raise OSError("connection\n    \x1b[31m↳\x1b[0m reset")

    monkeypatch.setattr(delta, "COMMITS", replace(COMMITS, attempts=3))
    calls = fault(before=refuse)
    with pytest.raises(
        CommitError, match=r"in 3 attempts; the last one said: connection ↳ reset. Nothing was written"
    ):
        once(results, frame())
    assert len(calls) == 3
    assert parts_of(results) == []


def test_commit_of_the_same_part_between_check_and_write_is_noticed(results, open_table, frame, fault):
    """Both find part p missing; the other commits first; ours is refused and then finds the part."""
    other = open_table()

    def overtake(call):
        if call == 1:
            assert once(other, frame(r2=0.1))

    calls = fault(before=overtake)  # the other's own write is the second call
    once(results, frame(r2=0.9))
    assert len(calls) == 2
    assert results.at().scan().select("r2").collect()["r2"].to_list() == [0.1]


def test_commit_of_another_part_between_check_and_write_is_no_conflict(results, open_table, frame, fault):
    seen = []

    def data_after(state, last):
        seen.append(last)
        return frame()

    calls = fault(before=lambda call: call == 1 and once(open_table(), frame("q"), part="q"))
    assert results.append_once("a", data_after, {})
    assert seen == [0, 1]
    assert len(calls) == 3
    assert parts_of(results) == ["p", "q"]


def test_reading_the_table_does_not_hide_a_commit_in_between(results, open_table, frame):
    """The other commits after the state was loaded; an append based on that state is still refused."""
    seen = []

    def data_after(state, last):
        if not seen:
            assert once(open_table(), frame("q"), part="q")
        seen.append(last)
        assert results.version() == 2
        assert parts_in(results.newest()) == parts_of(results) == ["q"]
        assert parts_in(state) == ["q"] * last
        return frame(f"number {last + 1}")

    assert results.append_once("a", data_after, {})
    assert seen == [0, 1]
    assert parts_of(results) == ["number 2", "q"]
    assert deltalake.DeltaTable(results.uri).transaction_version("a") == 2


def test_commit_under_another_transaction_in_between_is_no_conflict(results, open_table, frame, fault):
    def overtake(call):
        if call == 1:
            once(open_table(), frame("q"), part="q", transaction="b")

    calls = fault(before=overtake)
    assert once(results, frame())
    assert len(calls) == 2
    assert parts_of(results) == ["p", "q"]


@pytest.mark.parametrize(
    "columns", [{"r2": 1.5}, {"mse": -1.0}, {"pearson_r": 2.0}, {"pearson_p": -0.1}, {"repeat": -1}]
)
def test_row_against_a_constraint_is_refused_and_nothing_written(results, frame, parquet_files, columns):
    with pytest.raises(SchemaError, match=r"refuses the rows, a constraint of schemas/results\.toml fails"):
        once(results, frame(**columns))
    assert parts_of(results) == []
    assert results.version() == 1
    assert parquet_files(results) == []


def test_status_against_a_constraint_is_refused(log, plan):
    assembly = log.start(plan(), 0)
    with pytest.raises(
        SchemaError, match=r"schemas/assemblies\.toml fails: \w+ \(.*\), with status = 'finished'"
    ):
        log.record(assembly, "finished")
    assert log.get(assembly.assembly_id).status == "started"


def test_foreign_table_is_refused_and_left_alone(results, open_table):
    shutil.rmtree(results.uri)
    deltalake.write_deltalake(results.uri, pl.DataFrame({"part": [1], "colour": ["red"]}))
    with pytest.raises(
        SchemaError, match=r"is not a table of lakebatch: .*column 'part' is int64.*column 'colour'"
    ):
        open_table().ensure()
    assert deltalake.DeltaTable(results.uri).version() == 0


def test_table_of_a_newer_lakebatch_is_refused(tmp_path, open_table, names):
    newer = replace(load_schema("results"), version=2)
    Table(Storage(str(tmp_path / "lake")), names.folder, newer).ensure()
    with pytest.raises(
        SchemaError, match=r"has schema version 2, this lakebatch knows 1. Install a newer lakebatch"
    ):
        open_table().ensure()


def test_missing_constraint_is_added(results, open_table, frame):
    deltalake.DeltaTable(results.uri).alter.drop_constraint("r2_at_most_one")
    once(open_table(), frame("q", r2=1.5), part="q", transaction="b")
    shutil.rmtree(results.uri)
    open_table().ensure()
    deltalake.DeltaTable(results.uri).alter.drop_constraint("r2_at_most_one")
    open_table().ensure()
    with pytest.raises(SchemaError, match="refuses the rows"):
        once(open_table(), frame(r2=1.5))


def test_ensuring_a_table_again_writes_nothing(results, open_table):
    version = results.version()
    open_table().ensure()
    assert results.version() == version


def test_table_created_by_four_processes_at_once_exists_once(tmp_path, run_together, names, frame):
    imports = """
from lakebatch.storage.delta.table import Table
from lakebatch.storage.retry import COMMITS
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage import Storage
"""
    script = f"""
for race in range(8):
    Table(Storage({str(tmp_path)!r} + f"/lake{{race}}"), "90_v1_toy", load_schema("results")).ensure()
"""
    run_together(imports, [script] * 4)
    for race in range(8):
        table = Table(Storage(str(tmp_path / f"lake{race}")), names.folder, load_schema("results"))
        operations = [commit.operation for commit in table.commits()]
        assert operations[0] == "CREATE TABLE"
        assert set(operations[1:]) == {"ADD CONSTRAINT"}
        present = deltalake.DeltaTable(table.uri).metadata().configuration
        assert {f"delta.constraints.{name}" for name in load_schema("results").constraints} <= present.keys()
        assert once(table, frame())


def test_earlier_version_is_read_unchanged(results, frame):
    versions = []
    for part in "abc":
        once(results, frame(part), part=part)
        versions.append(results.version())
    assert [sorted(results.at(each).scan().collect()["part"]) for each in versions] == [
        ["a"],
        ["a", "b"],
        ["a", "b", "c"],
    ]
    assert results.at(versions[1]).rows_by_assembly == {frame()["assembly_id"][0]: 2}


def test_pinned_version_does_not_change(results, frame, names):
    once(results, frame())
    held = results.at()
    once(results, frame("q"), part="q")
    assert held.number == 2
    assert held.scan().collect().height == 1
    assert len(held.files([names.assembly_id])) == 1
    assert held.rows_by_assembly == {names.assembly_id: 1}


def test_missing_version_is_a_storage_error(results):
    with pytest.raises(StorageError, match="Cannot read version 99 of"):
        results.at(99)


def test_every_version_outlives_vacuum_and_clean_up(results, frame, parquet_files):
    """Versions older than the engine's defaults of 7 and 30 days are kept."""
    for index in range(12):
        once(results, frame(str(index)), part=str(index))
    old = 1_500_000_000
    for file in Path(results.uri).rglob("*"):
        os.utime(file, (old, old))
    table = deltalake.DeltaTable(results.uri)
    table.optimize.compact()
    files = parquet_files(results)
    assert table.vacuum(dry_run=False) == []
    table.create_checkpoint()
    table.cleanup_metadata()
    assert parquet_files(results) == files
    for version in range(14):
        assert results.at(version).scan().collect().height == max(version - 1, 0)


def test_rows_cannot_be_deleted_or_changed(results, frame):
    once(results, frame())
    with pytest.raises(deltalake.exceptions.DeltaError):
        deltalake.DeltaTable(results.uri).delete("part = 'p'")
    with pytest.raises(deltalake.exceptions.DeltaError):
        deltalake.DeltaTable(results.uri).update({"part": "'q'"})
    assert parts_of(results) == ["p"]


def test_files_of_requested_assemblies_are_returned(results, frame, names):
    once(results, frame())
    other = frame("q").with_columns(assembly_id=pl.lit("20261123_142230_run002"))
    once(results, other, part="q", transaction="b")
    files = results.at().files([names.assembly_id])
    assert len(files) == 1
    assert pl.read_parquet(files[0])["part"].to_list() == ["p"]
    assert results.at().files([]) == []


def test_table_with_deletion_vectors_gives_no_files(results, frame, names):
    """With deletion vectors, files still hold deleted rows."""
    once(results, frame())
    deltalake.DeltaTable(results.uri).alter.set_table_properties({"delta.enableDeletionVectors": "true"})
    with pytest.raises(SchemaError, match=r"needs deletionVectors.* Read it with polars instead"):
        results.at().files([names.assembly_id])
    assert results.at().scan([names.assembly_id]).collect().height == frame().height
    assert results.at().scan(["20261123_142230_run002"]).collect().is_empty()


def test_rows_of_some_assemblies_are_read_from_their_files_alone(results, frame, names):
    once(results, frame())
    other = frame("q").with_columns(assembly_id=pl.lit("20261123_142230_run002"))
    once(results, other, part="q", transaction="b")
    pinned, everything = results.at(), results.at().scan().collect()
    (file,) = pinned.files([names.assembly_id])
    Path(file).unlink()
    assert pinned.scan(["20261123_142230_run002"]).collect().equals(everything.filter(part="q"))
    assert pinned.scan(["20261123_142230_run003"]).collect().schema == everything.schema


def test_log_counts_rows_and_keeps_no_min_max_statistics(results, frame):
    """Min/max statistics would make up 90 % of each checkpoint; gaps are found by row counts."""
    once(results, frame())
    (counted,) = _statistics(results)
    assert counted.pop("numRecords") == frame().height
    assert not any(counted.values())


def test_older_table_keeps_no_min_max_statistics_from_its_next_commit(results, frame, monkeypatch):
    shutil.rmtree(results.uri)
    kept = {name: value for name, value in table_format.PROPERTIES.items() if "dataSkipping" not in name}
    monkeypatch.setattr(table_format, "PROPERTIES", kept)
    older = Table(results.storage, results.path.rpartition("/")[0], results.schema)
    older.ensure()
    once(older, frame(r2=0.5))  # the engine keeps none of columns that are NOT NULL
    monkeypatch.undo()
    newer = Table(results.storage, results.path.rpartition("/")[0], results.schema)
    newer.ensure()
    once(newer, frame("q", r2=0.5), part="q", transaction="b")
    first, second = _statistics(newer)
    assert first["maxValues"]
    assert second["numRecords"] == frame().height
    assert not second["maxValues"]
    assert newer.at().rows_by_assembly == {frame()["assembly_id"][0]: 2 * frame().height}
    assert parts_of(newer) == sorted(["p", "q"] * frame().height)


def _statistics(table):
    """Return the statistics of each file that was added, oldest first."""
    log = sorted(Path(table.uri, "_delta_log").glob("*.json"))
    actions = [json.loads(line) for entry in log for line in entry.read_text().splitlines()]
    return [json.loads(each["add"]["stats"]) for each in actions if "add" in each]


def test_empty_table_has_no_rows_by_assembly(results):
    assert results.at().rows_by_assembly == {}


def test_missing_table_is_a_storage_error(open_table):
    assert not open_table().exists()
    with pytest.raises(
        StorageError, match=r"There is no table at .*. Check --lake, or start with: lakebatch run"
    ):
        open_table().version()


@pytest.mark.parametrize("name", ["it's", 'a "b"', "a b", "ünï日", "a#b", "a{b}"])
def test_table_in_a_folder_of_any_name_is_read(tmp_path, frame, names, name):
    table = Table(Storage(str(tmp_path / name)), names.folder, load_schema("results"))
    table.ensure()
    once(table, frame())
    assert parts_of(table) == ["p"]
    assert all(Path(file).is_file() for file in table.at().files([names.assembly_id]))


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied"),
        OSError(28, "No space left on device"),
        OSError("AccessDenied"),
    ],
)
def test_forbidden_write_is_not_retried(results, frame, fault, error):
    calls = fault(before=fail_first(error))
    with pytest.raises(StorageError, match=f"Cannot write .*{error.args[-1]}"):
        once(results, frame())
    assert len(calls) == 1


def test_interrupt_hidden_in_an_engine_error_is_raised(results, frame, monkeypatch):
    """A signal arrived while the engine serialized a commit's metadata."""
    message = "CommitProperties.custom_metadata value must be JSON-serializable: KeyboardInterrupt: "

    def write(*_, **__):
        raise ValueError(message)

    monkeypatch.setattr("deltalake.write_deltalake", write)
    with pytest.raises(KeyboardInterrupt):
        results.append_once("a", lambda state, last: frame(), {})
    message = "something else"
    with pytest.raises(ValueError, match=message):
        results.append_once("a", lambda state, last: frame(), {})
