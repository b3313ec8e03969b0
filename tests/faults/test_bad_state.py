"""Lakes that are damaged, full, read-only or written by skewed clocks: one clear line, the rest stays readable."""

from __future__ import annotations

import os
import subprocess
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import damage_done
import polars as pl
import pytest
from processes import Command, run

import lakebatch
from lakebatch.assembly import events as assembly_log
from lakebatch.errors import DamageError, DamageWarning, IncompleteWarning, SchemaError, StorageError
from lakebatch.snapshot.gaps import OnGap
from lakebatch.sql.options import QueryOptions
from lakebatch.sql.session import Session
from lakebatch.storage import Storage
from lakebatch.storage.delta import log as deltalog
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.table import Table

SIZE = 3_000_000
FAULTS = (StorageError, SchemaError)


@pytest.fixture
def toy(copied_lake) -> Path:
    """Return the folder of the experiment ``toy`` in a lake of its own."""
    return Path(copied_lake.storage.uri, "90_v1_toy")


def messages_of(action) -> str:
    """Return the warnings and the error of an action."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            action()
        except FAULTS as error:
            caught.append(error)
    return "\n".join(str(getattr(each, "message", each)) for each in caught)


def read_others(lake) -> None:
    """Check that the other experiment is read completely and without a warning."""
    other = lake["other-toy"]
    assert other.reassemble(on_gap="refuse").height == 9
    assert other.assemblies()["status"].to_list() == ["completed"]


@pytest.mark.parametrize("name", damage_done.ENTRIES)
def test_damaged_log_entry_is_named_and_nothing_else_is_hidden(copied_lake, toy, name):
    file = damage_done.ENTRIES[name](toy)
    text = messages_of(lambda: copied_lake["toy"].reassemble())
    assert str(file) in text
    assert "Put it back from a backup" in text
    assert deltalog.PLACEHOLDER in text
    assert "unknown>" not in text
    read_others(copied_lake)


@pytest.mark.filterwarnings("ignore::lakebatch.errors.DamageWarning")
@pytest.mark.parametrize("name", ["entry empty", "entry cut off", "entry missing", "newest entry cut off"])
def test_placeholder_for_a_lost_entry_makes_all_others_readable(copied_lake, toy, name):
    """Following the error's advice: the rows of one commit are lost and named; the table is writable again."""
    damage_done.ENTRIES[name](toy).write_text(deltalog.PLACEHOLDER)
    stored = copied_lake["toy"]
    with pytest.warns(IncompleteWarning, match="no rows of part|left out, failed"):
        rows = stored.reassemble()
    assert rows.height == (18 if "newest" in name else 15)
    Path("mended").touch()
    assert lakebatch.resume(copied_lake, "toy", jobs=1).status == "completed"
    lakebatch.run(copied_lake, "toy", jobs=1)
    again = stored.reassemble(on_gap="ignore", on_mix="ignore")
    assert again.height == rows.height + 18
    assert again.select("assembly_id", "part", "repeat").is_duplicated().sum() == 0


def test_missing_newest_entry_is_found_by_the_versions_in_events(copied_lake, toy):
    damage_done.gone(damage_done.entry(toy / "results", 9))
    with pytest.warns(DamageWarning, match=r"an event saw version 9 of .*/results, whose newest is 8"):
        copied_lake["toy"].assemblies()


@pytest.mark.parametrize("name", damage_done.TABLES)
def test_unreadable_table_is_named_and_hides_no_other(copied_lake, toy, name):
    where = damage_done.TABLES[name](toy)
    for action in (copied_lake["toy"].reassemble, copied_lake["toy"].assemblies):
        with pytest.raises(FAULTS, match=f"{where}.*(Move|Put|Install|Check)") as caught:
            action()
        assert "\n" not in str(caught.value)
    read_others(copied_lake)
    assert copied_lake["toy"].history().height == 6
    counts = "SELECT experiment, count(*) FROM lake.results GROUP BY ALL"
    for on_gap in ("warn", "refuse"):
        with pytest.raises(
            StorageError, match=f"{where}.*See: lakebatch doctor toy. To read the rest, use on_gap='ignore'"
        ):
            copied_lake.sql(counts, on_gap=on_gap)
    with pytest.warns(DamageWarning, match=f"Left out: .*{where}"):
        assert copied_lake.sql(counts, on_gap="ignore").rows() == [("other-toy", 9)]
    with pytest.warns(DamageWarning, match=f"Left out: .*{where}"):
        assert copied_lake.sql("SELECT level FROM toy.results", on_gap="ignore").is_empty()
    assert copied_lake.sql("SELECT count(*) FROM other_toy.results").item() == 9
    assert str(where) in copied_lake.sql("SELECT what FROM lake.gaps WHERE experiment = 'toy'").item()
    assert copied_lake.query("levels", {"experiment": "other-toy"}).height == 3


def test_commands_show_one_line_for_damage_and_all_other_experiments(toy, tmp_path):
    where = damage_done.log_gone(toy)
    line = f"Warning: toy is left out: {where} has lost its log: 8 files are in it"
    for arguments, shown in ((("status",), "other-toy"), (("list",), "90_v1_toy")):
        command = run(tmp_path, *arguments)
        assert command.wait() == 0
        assert shown in command.out
        assert command.err.startswith(line)
        assert command.err.count("\n") == 1
    alone = run(tmp_path, "status", "toy")
    assert (alone.wait(), alone.out, alone.err.count("\n")) == (1, "", 1)
    assert alone.err.startswith(f"Error: {where} has lost its log")


def test_empty_log_entry_is_named_and_ends_a_command_with_an_error(toy, tmp_path):
    entry = damage_done.ENTRIES["entry empty"](toy)
    command = run(tmp_path, "reassemble", "toy", "-o", "rows.csv")
    assert command.wait() == 1
    assert f"{entry} is empty, so the rows committed there are missing" in command.err
    assert run(tmp_path, "reassemble", "toy", "-o", "rows.csv", "--on-gap", "ignore").wait() == 0


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
@pytest.mark.parametrize("name", damage_done.DATA)
def test_damaged_data_file_leaves_out_only_its_assembly_and_only_on_request(copied_lake, toy, name):
    stored = copied_lake["toy"]
    first = stored.reassemble(version=4)
    file = damage_done.DATA[name](toy)
    ids = stored.assemblies()["assembly_id"].to_list()
    line = f"{file} of {ids[1]} .*Restore it with: lakebatch repair toy@v1. To read the rest, use on_gap='ignore'"
    for read in READERS.values():
        with pytest.raises(DamageError, match=line) as caught:
            read(stored, "warn")
        assert "\n" not in str(caught.value)
        assert caught.value.assembly_id == ids[1]
    if name != "page garbled":
        with pytest.raises(DamageError, match=str(file)):  # before an engine panics over it
            stored.scan()
    for reader, read in READERS.items():
        with pytest.warns(DamageWarning, match=f"^Left out: {file} of {ids[1]}") as warned:
            assert read(stored, "ignore") == LEFT[reader], reader
        assert len(warned) == 1
    assert stored.assemblies()["rows"].to_list() == [9, 9, 6]
    assert stored.reassemble(version=4, on_gap="ignore").equals(first)
    assert stored.scan(include=["failed"]).collect().height == 6
    read_others(copied_lake)


def in_pieces(stored, on_gap: OnGap) -> int:
    """Return the number of rows, read in pieces as for a file."""
    return sum(piece.height for piece in stored.snapshot().pieces(on_gap=on_gap))


def by_sql(stored, on_gap: OnGap) -> int:
    """Return the number of rows in the SQL views of the experiment and of all experiments, over all columns."""
    lake = lakebatch.Lake(stored.storage)
    text = "FROM toy.results UNION ALL BY NAME SELECT * EXCLUDE (version) FROM lake.results WHERE experiment = 'toy'"
    return lake.sql(text, on_gap=on_gap).height


def by_a_connection(stored, on_gap: OnGap) -> int:
    """Return the number of rows found by the user's own DuckDB."""
    with lakebatch.Lake(stored.storage).connect(on_gap=on_gap) as connection:
        return connection.sql("SELECT * FROM toy.results").pl().height


READERS = {
    "reassemble": lambda stored, on_gap: stored.reassemble(on_gap=on_gap).height,
    "pieces": in_pieces,
    "sql": by_sql,
    "plot": lambda stored, on_gap: stored.plot("boxes", metric="mse", on_gap=on_gap).chart.title != "",
    "diff": lambda stored, on_gap: stored.diff(4, on_gap=on_gap).metrics["shift"].abs().sum(),
}
"""Ways to read rows of all assemblies."""
LEFT = {"reassemble": 9, "pieces": 9, "sql": 18, "plot": True, "diff": 0.0}
"""Their results without the second assembly."""


def test_damaged_file_of_an_unfinished_assembly_leaves_the_finished_ones_readable(copied_lake, toy):
    file = damage_done.gone(damage_done.data_file(toy / "results", "run003"))
    stored = copied_lake["toy"]
    with pytest.warns(
        IncompleteWarning, match=f"run003: left out, failed, its parts cannot be counted: {file}"
    ):
        assert stored.reassemble().height == 18
    with pytest.warns(DamageWarning, match=str(file)):
        assert stored.assemblies()["parts_done"].to_list() == [3, 3, None]
    with pytest.raises(DamageError, match=str(file)):
        lakebatch.resume(copied_lake, "toy", jobs=1)


def test_only_damage_of_views_read_is_an_error_and_no_view_disappears(copied_lake, toy):
    files = [damage_done.gone(damage_done.data_file(toy / "results", run)) for run in ("run001", "run002")]
    names = ["results", "assemblies", "events", "gaps"]
    texts = [f"SELECT count(*) FROM {schema}.{name}" for schema in ("toy", "lake") for name in names]
    untouched = [text for text in texts if not text.endswith(("results", "lake.events"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteWarning)
        for text in [*untouched, "SELECT count(*) FROM other_toy.results", "SELECT 1", "FROM duckdb_views()"]:
            assert copied_lake.sql(text).height
        gaps = copied_lake.sql("SELECT what FROM lake.gaps WHERE what LIKE 'left out of results:%'")[
            "what"
        ].to_list()
        assert [str(file) in gap for file, gap in zip(files, gaps, strict=True)] == [True, True]
        for text in (
            "FROM toy.results", "SELECT 1 WHERE EXISTS (FROM lake.results)", "WITH x AS (FROM toy.results) SELECT 1",
            "SUMMARIZE toy.results", "EXPLAIN ANALYZE FROM toy.results", "FROM query_table('toy.results')",
        ):  # fmt: skip
            with pytest.raises(DamageError, match=f"{files[0]}.*; 1 more cannot be read either"):
                copied_lake.sql(text)
        with pytest.raises(DamageError, match=str(files[0])):
            copied_lake.query("levels", {"experiment": "toy"})
        assert copied_lake.query("levels", {"experiment": "other-toy"}).height == 3
        with pytest.raises(DamageError, match=str(files[0])):
            copied_lake.snapshot().sql_setup()
    with pytest.warns(DamageWarning, match=f"{files[0]} .*; {files[1]} "):
        empty = copied_lake.sql("FROM toy.results", on_gap="ignore")
    assert empty.is_empty()
    assert empty.columns == lakebatch.Lake(copied_lake.storage)["other-toy"].reassemble().columns


def test_completeness_counts_no_part_of_an_unreadable_assembly(copied_lake, toy):
    file = damage_done.gone(damage_done.data_file(toy / "results", "run002"))
    stored = copied_lake["toy"]
    with pytest.raises(DamageError, match=str(file)):
        stored.completeness()
    with pytest.warns(DamageWarning, match=f"Left out: {file}"):
        parts = stored.completeness(on_gap="ignore")
    assert parts["present"].to_list() == [True] * 3 + [False] * 3 + [True, False, True]
    assert parts["why"].str.starts_with(str(file)).to_list()[3:6] == [True] * 3


def test_replicates_with_an_unreadable_one_are_not_compared(copied_lake, toy):
    stored = copied_lake["toy"]
    assembly = stored.assemblies()["assembly_id"][0]
    seed = stored.assemblies()["seed"][0]
    lakebatch.run(copied_lake, "toy", jobs=1, seed=seed)
    assert stored.replicates().filter(seed=seed)["agrees"].to_list() == [True, True]
    file = damage_done.gone(damage_done.data_file(toy / "results", "run001"))
    with pytest.raises(DamageError, match=str(file)):
        stored.replicates()
    with pytest.warns(DamageWarning, match=f"of {assembly} is missing"):
        agrees = stored.replicates(on_gap="ignore").filter(seed=seed)["agrees"].to_list()
    assert agrees == [None, True]


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
def test_table_of_data_without_its_log_is_damaged_not_absent(copied_lake, toy):
    (toy / "samples").mkdir()
    (toy / "samples" / "part-0.parquet").write_bytes(b"x")
    line = f"{toy / 'samples'} has lost its log"
    with pytest.raises(DamageError, match=line):
        copied_lake["toy"].reassemble(table="samples", on_gap="ignore")
    with pytest.raises(DamageError, match=line):
        copied_lake.sql("FROM toy.samples")
    with pytest.warns(DamageWarning, match=line):
        assert copied_lake.sql("FROM toy.samples", on_gap="ignore").is_empty()
    assert copied_lake.sql("SELECT count(*) FROM toy.results").item() == 18


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
def test_damaged_page_is_found_when_it_is_read(copied_lake, toy):
    file = damage_done.garbled(damage_done.data_file(toy / "results", "run002"))
    text = "SELECT count(DISTINCT results) FROM toy.results"
    with Session(copied_lake.snapshot(), QueryOptions(on_gap="ignore")) as session:
        with pytest.warns(DamageWarning, match=f"Left out: {file} of .*run002 cannot be read"):
            assert session.answer(text).item() == 9
        with pytest.warns(DamageWarning, match=f"Left out: {file}"):
            assert session.answer("SELECT count(*) FROM toy.results").item() == 9
        assert (
            "cannot be read"
            in session.answer("SELECT what FROM toy.gaps WHERE what LIKE '%results:%'").item()
        )
    with pytest.raises(DamageError, match=f"{file} of .*run002 cannot be read"):
        copied_lake.sql(text)


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
@pytest.mark.parametrize("name", damage_done.EVENTS)
def test_assembly_with_damaged_events_does_not_vanish_silently(copied_lake, toy, name):
    stored = copied_lake["toy"]
    lost = pl.read_parquet(damage_done.events_file(toy))["assembly_id"].item()
    file = damage_done.EVENTS[name](toy)
    with pytest.warns(DamageWarning, match=f"{file} .*Restore it with: lakebatch repair toy@v1"):
        assert stored.history().height == 5
    with pytest.warns(DamageWarning, match=f"{file} .*events of {lost}"):
        assert stored.assemblies()["assembly_id"].n_unique() >= 2
    for read in (
        stored.reassemble,
        stored.completeness,
        stored.scan,
        lambda **options: copied_lake.sql("FROM toy.results", **options),
        lambda **options: copied_lake.sql("FROM toy.assemblies", **options),
    ):
        with pytest.raises(DamageError, match=f"{file} .*events of {lost}.*on_gap='ignore'"):
            read()
        with pytest.warns(DamageWarning, match=f"Left out: {file} .*events of {lost}"):
            read(on_gap="ignore")
    with pytest.warns(DamageWarning):
        assert lost not in set(stored.reassemble(on_gap="ignore")["assembly_id"])
    assert lost in copied_lake.sql("SELECT string_agg(what) FROM toy.gaps").item()
    read_others(copied_lake)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Return a separate disk, small enough to be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk of its own can be mounted here: {getattr(error, 'stderr', error)}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill a disk except for some bytes and return the file that fills it."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        while (free := os.statvfs(disk)).f_bavail * free.f_frsize > leave:
            file.write(b"\0" * 4096)
            file.flush()
    return filler


def test_full_disk_stops_the_run_with_one_line_and_loses_nothing(folder, small_disk):
    lake = small_disk / "lake"
    command = Command(folder, "--lake", str(lake), "run", "toy", "--jobs", "1", "--set", "pause=0.3")
    command.wait_for_lines(3)
    filler = fill(small_disk, leave=100_000)
    assert command.wait() == 1
    last = command.err.splitlines()[-1]
    assert last.startswith(f"Error: The disk of the lake {lake} is full: ")
    assert last.endswith("Nothing is lost: free some space, then go on with: lakebatch resume")
    assert "Traceback" not in command.err
    assert "panicked" not in command.err
    stored = lakebatch.open_lake(lake)["toy"]
    assert stored.assemblies()["status"].to_list() == ["interrupted"]
    assert stored.log.events()["pid"].to_list()[-1] is None  # recorded for other machines too
    done = set(stored.scan(include=["started"]).collect()["part"])
    assert 2 <= len(done) < 8

    again = run(folder, "--lake", str(lake), "run", "toy", "--jobs", "1", "--set", "pause=0")
    assert (again.wait(), again.err.count("\n")) == (1, 1)
    assert "is full" in again.err

    filler.unlink()
    (folder / "computed").unlink()
    resumed = run(folder, "--lake", str(lake), "resume", "toy", "--jobs", "1")
    assert resumed.wait() == 0, resumed.err
    computed = (folder / "computed").read_text().split()
    assert len(computed) == 8 - len(done)
    assert not done & set(computed)
    assert stored.reassemble(on_gap="refuse").height == 24
    assert (lakebatch.open_lake(lake).doctor(deep=True)["severity"] == "ok").all()


def test_engine_out_of_space_reports_it_and_keeps_the_table(small_disk, frame):
    table = Table(Storage(str(small_disk / "lake")), "90_v1_toy", load_schema("results"))
    table.ensure()
    version = table.version()
    filler = fill(small_disk, leave=4096)
    with pytest.raises(
        StorageError, match=r"No space left on device.*free some space, then go on with: lakebatch resume"
    ):
        table.append_once("a", lambda state, last: frame() if not last else None, {})
    filler.unlink()
    assert table.at().number == version
    assert table.append_once("a", lambda state, last: frame() if not last else None, {})
    assert table.at().scan().collect().height == 1


def test_read_only_lake_is_read_and_a_run_is_refused(copied_lake, small_disk, tmp_path):
    lake = small_disk / "lake"
    subprocess.run(["cp", "-r", copied_lake.storage.uri, str(lake)], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    before = copied_lake["toy"].reassemble(on_gap="ignore")
    locked = lakebatch.open_lake(lake)
    assert locked["toy"].reassemble(on_gap="ignore").equals(before)
    assert locked.sql("SELECT count(*) FROM toy.results", on_gap="ignore").row(0) == (18,)
    assert locked["toy"].history().height == 6
    assert "problem" not in set(locked.doctor(read_only=True)["severity"])
    (problem,) = locked.doctor().filter(severity="problem").rows(named=True)
    assert problem["check"] == "writing"
    assert "Read-only file system" in problem["what"]
    for arguments in (("run", "toy"), ("resume", "toy")):
        command = run(tmp_path, "--lake", str(lake), *arguments)
        assert (command.wait(), command.err.count("\n")) == (1, 1), command.err
        assert "Read-only file system" in command.err
    read = run(tmp_path, "--lake", str(lake), "status", "toy")
    assert (read.wait(), read.err) == (0, "")


def test_clock_that_goes_back_changes_no_id_order_or_dataset(lake, toy_experiment, monkeypatch):
    moments = iter(
        datetime(2026, 11, 20, 12, tzinfo=UTC) - index * timedelta(minutes=10) for index in range(99)
    )
    monkeypatch.setattr(assembly_log, "now", lambda: next(moments))
    runs = [lakebatch.run(lake, "toy", jobs=1, settings=["levels=[0]"]) for _ in range(3)]
    monkeypatch.undo()
    stored = lake["toy"]
    ids = [each.assembly_id for each in runs]
    assert [each[-6:] for each in ids] == ["run001", "run002", "run003"]
    assert len(set(ids)) == 3
    assert stored.assemblies()["assembly_id"].to_list() == ids
    assert stored.assemblies()["status"].to_list() == ["completed"] * 3
    assert stored.reassemble(on_gap="refuse").height == 9
    history = stored.history()
    assert history["version"].is_sorted()
    for _, events in history.group_by("assembly_id"):
        assert events["status"].to_list() == ["started", "completed"]
    # a time selects the assemblies recorded by then according to the clocks, and never half an assembly
    ends = {each.assembly_id: each.at for each in runs}
    for run_ in runs:
        rows = stored.reassemble(as_of=run_.at, on_gap="ignore")
        assert set(rows["assembly_id"]) == {each for each, at in ends.items() if at <= run_.at}
        assert rows.group_by("assembly_id").len()["len"].to_list() == [3] * rows["assembly_id"].n_unique()
    clock = lake.doctor().filter(check="clock")
    assert clock["severity"].to_list() == ["note"] * 5
    assert clock["what"][0].startswith(
        f"{ids[0]} was completed at 2026-11-20 11:50:00 UTC, after something of"
    )
    assert all("by version" in each for each in clock["advice"])


@pytest.fixture
def toy_experiment(template_lake, tmp_path, monkeypatch):
    """Put the experiment ``toy`` into an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "toy.py").write_text((template_lake / "experiments" / "toy.py").read_text())


@pytest.fixture
def frame():
    """Return a function that makes rows of one part."""

    def build() -> pl.DataFrame:
        from lakebatch.storage.delta.schema import conform

        at = pl.Series([datetime(2026, 11, 23, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
        rows = pl.DataFrame({"assembly_id": ["20261123_142230_run001"], "part": ["p"], "recorded_at": at})
        return conform(rows, load_schema("results"))

    return build
