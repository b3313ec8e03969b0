"""Lakes that are damaged, full, locked or of another time: one clear line, and all else stays readable."""

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
from lakebatch import assembly, deltalog
from lakebatch.delta import Table
from lakebatch.errors import DamageError, DamageWarning, QueryError, SchemaError, StorageError
from lakebatch.gaps import IncompleteWarning
from lakebatch.schema import load_schema
from lakebatch.storage import Storage

SIZE = 3_000_000
FAULTS = (StorageError, SchemaError)


@pytest.fixture
def toy(copied_lake) -> Path:
    """Return the folder of the experiment ``toy`` in a lake of its own."""
    return Path(copied_lake.storage.uri, "90_v1_toy")


def told(action) -> str:
    """Return all that an action tells: its warnings and its error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            action()
        except FAULTS as error:
            caught.append(error)
    return "\n".join(str(getattr(each, "message", each)) for each in caught)


def read_others(lake) -> None:
    """Read what no damage of ``toy`` may hide, without any warning."""
    other = lake["other-toy"]
    assert other.reassemble(on_gap="refuse").height == 9
    assert other.assemblies()["status"].to_list() == ["completed"]


@pytest.mark.parametrize("name", damage_done.ENTRIES)
def test_damaged_log_entry_is_named_and_nothing_else_is_hidden(copied_lake, toy, name):
    file = damage_done.ENTRIES[name](toy)
    text = told(lambda: copied_lake["toy"].reassemble())
    assert str(file) in text
    assert "Put it back from a backup" in text
    assert deltalog.PLACEHOLDER in text
    assert "unknown>" not in text
    read_others(copied_lake)


@pytest.mark.filterwarnings("ignore::lakebatch.errors.DamageWarning")
@pytest.mark.parametrize("name", ["entry empty", "entry cut off", "entry missing", "newest entry cut off"])
def test_placeholder_for_a_lost_entry_makes_all_others_readable(copied_lake, toy, name):
    """What the error says to do: the rows of one commit are lost, and named; the table can be written to again."""
    damage_done.ENTRIES[name](toy).write_text(deltalog.PLACEHOLDER)
    stored = copied_lake["toy"]
    with pytest.warns(IncompleteWarning, match="no rows of part|left out, failed"):
        rows = stored.reassemble()
    assert rows.height == (18 if "newest" in name else 15)
    Path("mended").touch()
    assert lakebatch.resume(copied_lake, "toy", jobs=1).status == "completed"
    lakebatch.run(copied_lake, "toy", jobs=1)
    again = stored.reassemble(on_gap="ignore")
    assert again.height == rows.height + 18
    assert again.select("assembly_id", "part", "repeat").is_duplicated().sum() == 0


def test_newest_entry_that_is_gone_is_missed_by_what_the_events_saw(copied_lake, toy):
    damage_done.gone(damage_done.entry(toy / "results", 9))
    with pytest.warns(DamageWarning, match=r"an event saw version 9 of .*/results, whose newest is 8"):
        copied_lake["toy"].assemblies()


@pytest.mark.parametrize("name", damage_done.TABLES)
def test_table_that_cannot_be_opened_is_named_and_hides_no_other(copied_lake, toy, name):
    where = damage_done.TABLES[name](toy)
    for action in (copied_lake["toy"].reassemble, copied_lake["toy"].assemblies):
        with pytest.raises(FAULTS, match=f"{where}.*(Move|Put|Install|Check)") as caught:
            action()
        assert "\n" not in str(caught.value)
    read_others(copied_lake)
    assert copied_lake["toy"].history().height == 6
    with pytest.warns(DamageWarning, match=f"toy is left out: .*{where}.*see: lakebatch doctor toy"):
        rows = copied_lake.sql("SELECT experiment, count(*) FROM lake.results GROUP BY ALL").rows()
    assert rows == [("other-toy", 9)]
    with pytest.raises(FAULTS, match=str(where)):
        copied_lake.sql("SELECT 1", on_gap="refuse")


def test_commands_show_the_others_and_one_line_for_what_is_damaged(toy, tmp_path):
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


@pytest.mark.parametrize("name", damage_done.DATA)
def test_damaged_data_file_is_named_with_its_assembly_and_hides_no_other(copied_lake, toy, name):
    stored = copied_lake["toy"]
    first = stored.reassemble(version=4)
    file = damage_done.DATA[name](toy)
    ids = stored.assemblies()["assembly_id"].to_list()
    with pytest.raises(DamageError, match=f"{file} of {ids[1]} .*lakebatch discard toy {ids[1]}"):
        stored.reassemble(on_gap="ignore")
    if name != "page garbled":
        with pytest.raises(DamageError, match=str(file)):  # before an engine panics over it
            stored.scan()
    assert stored.assemblies()["rows"].to_list() == [9, 9, 6]
    assert stored.reassemble(version=4, on_gap="ignore").equals(first)
    assert stored.scan(include=["failed"]).collect().height == 6
    read_others(copied_lake)


@pytest.mark.filterwarnings("ignore::lakebatch.gaps.IncompleteWarning")
def test_sql_leaves_out_the_view_of_a_damaged_file_and_names_it(copied_lake, toy):
    file = damage_done.DATA["file cut off"](toy)
    with pytest.warns(DamageWarning, match=f"toy.results is left out: {file} of .*see: lakebatch doctor toy"):
        answer = copied_lake.sql("SELECT status FROM toy.assemblies ORDER BY ALL")
    assert answer["status"].to_list() == ["completed", "completed", "failed"]
    with pytest.warns(DamageWarning), pytest.raises(QueryError, match="results does not exist"):
        copied_lake.sql("FROM toy.results")


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


@pytest.mark.filterwarnings("ignore::lakebatch.gaps.IncompleteWarning")
@pytest.mark.parametrize("name", damage_done.EVENTS)
def test_damaged_events_are_named_and_the_others_are_read(copied_lake, toy, name):
    file = damage_done.EVENTS[name](toy)
    with pytest.warns(DamageWarning, match=f"{file} .*Put it back from a backup.*lakebatch doctor toy"):
        assert copied_lake["toy"].history().height == 5
    with pytest.warns(DamageWarning, match=str(file)):
        assert copied_lake["toy"].assemblies()["assembly_id"].n_unique() >= 2
    read_others(copied_lake)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Return a disk of its own, small enough to be filled."""
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
    """Fill a disk but for some bytes and return the file that does."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        while (free := os.statvfs(disk)).f_bavail * free.f_frsize > leave:
            file.write(b"\0" * 4096)
            file.flush()
    return filler


def test_disk_that_fills_up_stops_the_run_with_one_line_and_nothing_is_lost(folder, small_disk):
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
    assert stored.log.events()["pid"].to_list()[-1] is None  # so that other machines know it too
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


def test_engine_that_runs_out_of_space_says_so_and_leaves_the_table_as_it_was(small_disk, frame):
    table = Table(Storage(str(small_disk / "lake")), "90_v1_toy", load_schema("results"))
    table.ensure()
    version = table.version()
    filler = fill(small_disk, leave=4096)
    with pytest.raises(
        StorageError, match=r"No space left on device.*free some space, then go on with: lakebatch resume"
    ):
        table.append_once("a", lambda last: frame() if not last else None, {})
    filler.unlink()
    assert table.at().number == version
    assert table.append_once("a", lambda last: frame() if not last else None, {})
    assert table.at().scan().collect().height == 1


def test_lake_that_can_only_be_read_is_read_and_a_run_says_so(copied_lake, small_disk, tmp_path):
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
    monkeypatch.setattr(assembly, "now", lambda: next(moments))
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
    # a time is answered by what had been recorded by then, as the clocks said; never by half an assembly
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
    """Make the experiment ``toy`` known in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "toy.py").write_text((template_lake / "experiments" / "toy.py").read_text())


@pytest.fixture
def frame():
    """Return a function that makes rows of one part."""

    def build() -> pl.DataFrame:
        from lakebatch.schema import conform

        at = pl.Series([datetime(2026, 11, 23, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
        rows = pl.DataFrame({"assembly_id": ["20261123_142230_run001"], "part": ["p"], "recorded_at": at})
        return conform(rows, load_schema("results"))

    return build
