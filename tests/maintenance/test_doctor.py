"""The doctor: finds problems, names the command to run, and changes nothing."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import damage_done
import deltalake
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch._process import host
from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.cli.main import main
from lakebatch.cli.status_table import assembly_states
from lakebatch.errors import DamageWarning, IncompleteError, UnknownNameError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.maintenance.doctor import COLUMNS, examine
from lakebatch.maintenance.doctor.place import is_within
from lakebatch.storage.delta.log import PLACEHOLDER
from lakebatch.storage.local import LocalFolder

AT = datetime(2026, 11, 23, 14, 22, 31, tzinfo=UTC)


@pytest.fixture
def toy(copied_lake) -> Path:
    """Return the folder of the experiment ``toy`` in a lake of its own."""
    return Path(copied_lake.storage.uri, "90_v1_toy")


def found(lake, check, *, deep=False, severity=("note", "problem")):
    """Return the findings of a check above `ok`, each joined with its advice."""
    rows = lake.doctor(deep=deep).filter(pl.col("severity").is_in(severity), check=check)
    return [f"{row['severity']}: {row['what']} -> {row['advice']}" for row in rows.iter_rows(named=True)]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_sound_lake_has_no_problem_and_is_left_unchanged(copied_lake, toy):
    before = contents(toy.parent)
    frame = copied_lake.doctor(deep=True)
    assert contents(toy.parent) == before
    assert frame.schema == COLUMNS
    worth_a_look = frame.filter(pl.col("severity") != "ok").rows(named=True)
    (failed,) = worth_a_look
    assert (failed["check"], failed["severity"]) == ("unfinished", "note")
    assert failed["advice"].startswith("Try them again with: lakebatch resume toy 20")
    checks = set(frame["check"])
    assert checks >= {
        "place",
        "writing",
        "conditional put",
        "packages",
        "table",
        "log",
        "data files",
        "orphans",
    }
    assert checks >= {"duplicates", "clock", "values"}


def test_names_select_the_experiments_to_check(copied_lake):
    subjects = copied_lake.doctor("other-toy").filter(check="log")["subject"].to_list()
    tables = ("assemblies", "logs", "results", "sources")
    assert subjects == [f"91_v1_other-toy/{table}" for table in tables]
    assert not [each for each in copied_lake.doctor("other-toy")["severity"] if each != "ok"]
    with pytest.raises(UnknownNameError, match=r"There is nothing of 'tou' in .* There: toy, other-toy"):
        copied_lake.doctor("tou")


def test_empty_lake_is_reported_and_not_created(tmp_path):
    (finding,) = lakebatch.open_lake(tmp_path / "lake").doctor().rows(named=True)
    assert (finding["severity"], finding["what"]) == ("note", "nothing is there")
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("name", damage_done.ENTRIES)
def test_damaged_log_entry_is_a_problem_with_a_remedy(copied_lake, toy, name):
    file = damage_done.ENTRIES[name](toy)
    (text,) = found(copied_lake, "log")
    assert text.startswith(f"problem: {file} is ")
    assert PLACEHOLDER in text
    if "results" in str(
        file
    ):  # without its last event an assembly seems to run, and its files are too young to count
        (orphan,) = found(copied_lake, "orphans")
        assert orphan.endswith("-> Keep them: they may hold the rows of a lost commit.")


def test_entry_cut_off_between_two_lines_is_found(copied_lake, toy):
    """Every line of it is whole, so that engines read it as a commit without rows."""
    entry = damage_done.entry(toy / "results", 3)
    entry.write_bytes(entry.read_bytes().splitlines()[0])
    (text,) = found(copied_lake, "log")
    assert f"{entry} is cut off: it announces 1 files and names 0" in text
    (first, second) = found(copied_lake, "gaps")
    assert "completed, no rows of part level=0.1" in first
    assert "completed with 9 rows, the table has 6" in second
    assert "lakebatch run toy --seed" in first
    assert "lakebatch discard toy" in first


def test_placeholder_is_a_note_and_the_gap_stays_a_problem(copied_lake, toy):
    damage_done.gone(damage_done.entry(toy / "results", 3)).write_text(PLACEHOLDER)
    (text,) = found(copied_lake, "log")
    assert text.startswith("note: ")
    assert "stands in for a lost commit" in text
    assert len(found(copied_lake, "gaps", severity=["problem"])) == 2


def test_missing_newest_entry_is_found(copied_lake, toy):
    damage_done.gone(damage_done.entry(toy / "results", 9))
    (text,) = found(copied_lake, "versions")
    assert "an event saw version 9 of" in text


@pytest.mark.parametrize("name", damage_done.TABLES)
def test_table_that_cannot_be_opened_is_a_problem(copied_lake, toy, name):
    where = damage_done.TABLES[name](toy)
    problems = copied_lake.doctor().filter(severity="problem")
    assert problems["what"].str.contains(str(where), literal=True).any()
    assert set(problems["subject"]) <= {"90_v1_toy", "90_v1_toy/results"}


@pytest.mark.parametrize("name", ["file missing", "file empty", "file cut off"])
def test_data_file_of_another_size_is_a_problem(copied_lake, toy, name):
    file = damage_done.DATA[name](toy)
    (text,) = found(copied_lake, "data files")
    assert text.startswith(f"problem: {file} ")
    assert text.endswith("lakebatch repair toy@v1")


@pytest.mark.parametrize("damage", [damage_done.garbled, damage_done.value_changed])
def test_changed_bits_are_found_by_the_deep_check_alone(copied_lake, toy, damage):
    file = damage(damage_done.data_file(toy / "results", "run002"))
    assert "problem" not in set(copied_lake.doctor()["severity"])
    (text,) = found(copied_lake, "values", deep=True)
    assert text.startswith(f"problem: {file} ")
    assert text.endswith("lakebatch repair toy@v1")
    assert ("holds other values than were committed" in text) == (damage is damage_done.value_changed)


def test_changed_event_is_found_by_the_deep_check(copied_lake, toy):
    file = sorted((toy / "assemblies").glob("*.parquet"))[0]
    content = bytearray(file.read_bytes())
    seed = content.index(pl.read_parquet(file)["seed"].to_numpy()[0].tobytes())
    content[seed] ^= 1
    file.write_bytes(content)
    assert any("holds other values" in text for text in found(copied_lake, "values", deep=True))


def test_compacted_table_is_sound_and_a_change_in_it_is_found(copied_lake, toy):
    deltalake.DeltaTable(str(toy / "results")).optimize.compact()
    assert "problem" not in set(copied_lake.doctor(deep=True)["severity"])
    newest = {each.path: each for each in copied_lake["toy"].results.at().data_files()}
    damaged = damage_done.value_changed(toy / "results" / sorted(newest)[0])
    (text,) = found(copied_lake, "values", deep=True)
    assert text.startswith(f"problem: {damaged} holds other values")


def test_missing_file_of_earlier_versions_is_found_unless_vacuumed(copied_lake, toy):
    table = deltalake.DeltaTable(str(toy / "results"))
    file = damage_done.data_file(toy / "results", "run001")
    table.optimize.compact()
    content = file.read_bytes()
    file.unlink()
    (text,) = found(copied_lake, "data files")
    assert text.startswith(f"problem: {file} is missing")
    assert "Only versions before 10 need it." in text
    file.write_bytes(content)
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert not file.exists()
    assert found(copied_lake, "data files") == []


def test_orphans_are_counted_except_recent_ones_during_a_run(copied_lake, toy):
    old = damage_done.data_file(toy / "results", "run002").with_name("part-0-killed.parquet")
    old.write_bytes(b"12345")
    past = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(old, (past, past))
    (old.parent / "part-1-killed.parquet").write_bytes(b"123")
    (text,) = found(copied_lake, "orphans")
    assert text.startswith(f"note: 2 files of 8 bytes belong to no version, e.g. {old}")
    assert text.endswith("Remove them with: lakebatch vacuum")
    stored = copied_lake["toy"]
    failed = stored.snapshot().assemblies[-1]
    stored.log.record(failed, "started", pid=os.getpid(), environment="{}")
    (text,) = found(copied_lake, "orphans")
    assert text.startswith("note: 1 files of 5 bytes")


def test_leftovers_of_writes_are_notes(copied_lake, toy):
    left = [
        toy / "results" / "_delta_log" / "_commit_1f0c.json.tmp",
        toy / "results" / "_delta_log" / "00000000000000000010.json#1",
        toy / "results" / "assembly_id=x" / "part-0.zstd.parquet#1",
    ]
    for file in left:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"{")
    texts = [*found(copied_lake, "log"), *found(copied_lake, "leftovers")]
    assert len(texts) == 3
    assert all(any(text.startswith(f"note: {file} is left over") for text in texts) for file in left)


@pytest.mark.parametrize("fault", ["checkpoint cut off", "pointer cut off", "checkpoint missing"])
def test_damaged_checkpoint_is_named_and_can_be_rewritten(copied_lake, toy, fault):
    deltalake.DeltaTable(str(toy / "results")).create_checkpoint()
    log = toy / "results" / "_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    file = {"checkpoint missing": log / "_last_checkpoint", "pointer cut off": log / "_last_checkpoint"}
    named = file.get(fault, checkpoint)
    assert found(copied_lake, "log") == []
    if fault == "checkpoint missing":
        checkpoint.unlink()
    else:
        damage_done.cut(named, 10)
    (text,) = found(copied_lake, "log")
    assert str(named) in text
    assert text.endswith("lakebatch repair toy@v1")
    (log / "_last_checkpoint").unlink()
    checkpoint.unlink(missing_ok=True)
    assert found(copied_lake, "log") == []
    assert copied_lake["toy"].reassemble(on_gap="ignore").height == 18


def test_interrupted_and_running_assemblies_are_notes_with_a_command(copied_lake):
    stored = copied_lake["toy"]
    failed = stored.snapshot().assemblies[-1]
    resume = f"lakebatch resume toy {failed.assembly_id}"
    stored.log.record(failed, "started")
    assert found(copied_lake, "unfinished") == [
        f"note: {failed.assembly_id} is interrupted -> Continue with: {resume}"
    ]
    stored.log.record(failed, "started", pid=os.getpid(), environment="{}")
    (text,) = found(copied_lake, "unfinished")
    assert f"is running on {host()} since " in text
    assert text.endswith("Wait for it, or stop it.")
    stored.log.record(failed, "started", pid=os.getpid(), host="elsewhere", environment="{}")
    (text,) = found(copied_lake, "unfinished")
    assert text.endswith(f"If that process is gone, continue with: {resume}")


def test_part_committed_twice_is_a_problem(copied_lake):
    stored = copied_lake["toy"]
    failed = stored.snapshot().assemblies[-1]
    metadata = {"lakebatch.assembly_id": failed.assembly_id, "lakebatch.part": "level=0"}
    twice = stored.scan(include=["failed"]).filter(part="level=0").collect()
    assert stored.results.append_once("behind the back of the writer", lambda state, last: twice, metadata)
    (text,) = found(copied_lake, "duplicates")
    assert text.startswith(f"problem: part level=0 of {failed.assembly_id} was committed 2 times")


def test_rows_without_any_event_are_a_problem(copied_lake):
    writer = PartWriter(copied_lake["toy"].results, "20261123_142230_run099", {})
    writer.append("level=0", pl.DataFrame({"repeat": [0, 1]}), AT)
    (text,) = found(copied_lake, "unrecorded")
    assert "2 rows of 20261123_142230_run099 are there and no event of it" in text
    with pytest.warns(DamageWarning, match="Left out: 20261123_142230_run099, with rows and without events"):
        assembly_states(copied_lake)
    with pytest.raises(IncompleteError, match=r"run099.* left out, its events are lost"):
        copied_lake["toy"].reassemble(on_gap="refuse")


def test_event_of_the_future_is_a_note(copied_lake, monkeypatch):
    stored = copied_lake["toy"]
    failed = stored.snapshot().assemblies[-1]
    monkeypatch.setattr("lakebatch.assembly.events.now", lambda: datetime.now(UTC) + timedelta(days=400))
    AssemblyLog(stored.table("assemblies")).record(failed, "failed")
    (text,) = found(copied_lake, "clock")
    assert "which is to come -> Set the clock" in text


def test_incompletely_created_experiment_is_a_note(copied_lake, toy):
    StoredExperiment(copied_lake.storage, "92_v1_begun").results.ensure()
    assert [each for each in found(copied_lake, "place") if "nothing was started here" in each]
    assert "problem" not in set(copied_lake.doctor()["severity"])


def test_storage_without_conditional_writes_is_a_problem(copied_lake, monkeypatch):
    monkeypatch.setattr(LocalFolder, "creates_only_once", lambda self, name: False)
    (text,) = found(copied_lake, "conditional put")
    assert text.startswith("problem: a second writer overwrites the file of the first")


@pytest.mark.parametrize(
    ("version", "requirement", "within"),
    [
        ("1.6.6", "deltalake<2,>=1.6", True),
        ("1.6", "deltalake<2,>=1.6.0", True),
        ("1.5.9", "deltalake<2,>=1.6", False),
        ("2.0.0rc1", "deltalake<2,>=1.6", False),
        ("10.0", "x>=9.1", True),
    ],
)
def test_version_is_compared_with_both_bounds(version, requirement, within):
    assert is_within(version, requirement) == within


def test_command_shows_findings_and_sets_its_exit_code(copied_lake, toy):
    lake = ["--lake", copied_lake.storage.uri]
    sound = CliRunner().invoke(main, [*lake, "doctor"])
    assert sound.exit_code == 0
    assert "unfinished" in sound.stdout
    assert "conditional put" not in sound.stdout
    assert "0 problems, 1 notes" in sound.stderr
    file = damage_done.DATA["file missing"](toy)
    damaged = CliRunner().invoke(main, [*lake, "doctor", "toy", "--format", "ndjson"])
    assert damaged.exit_code == 1
    frame = pl.read_ndjson(damaged.stdout.encode())
    assert frame.columns == list(COLUMNS)
    assert frame.filter(severity="problem")["what"].to_list() == [f"{file} is missing"]
    assert frame.filter(check="conditional put")["severity"].to_list() == ["ok"]


def test_read_only_check_creates_no_file(copied_lake, monkeypatch):
    monkeypatch.setattr(LocalFolder, "check_writable", lambda *_: pytest.fail("wrote"))
    monkeypatch.setattr(LocalFolder, "creates_only_once", lambda self, name: pytest.fail("wrote"))
    frame = copied_lake.doctor(read_only=True)
    assert frame.filter(check="writing")["what"].to_list() == ["not checked, as requested"]


def worth_a_look(lake, *, deep=True) -> list[str]:
    rows = lake.doctor("toy", deep=deep).filter(pl.col("severity") != "ok", pl.col("check") != "unfinished")
    return [f"{row['check']}: {row['what']} -> {row['advice']}" for row in rows.iter_rows(named=True)]


def test_links_to_files_and_folders_are_sound(copied_lake, toy, tmp_path):
    """Links as made by DVC and git-annex, or by moving a partition or table to another disk."""
    (tmp_path / "cache").mkdir()
    partition = damage_done.data_file(toy / "results", "run001").parent
    for number, place in enumerate([*sorted(toy.glob("assemblies/*.parquet")), partition, toy / "results"]):
        place.rename(tmp_path / "cache" / str(number))
        place.symlink_to(tmp_path / "cache" / str(number))
    sizes = copied_lake.usage()["bytes"].sum()
    assert worth_a_look(copied_lake) == []
    (toy / "results" / "circle").symlink_to(".")
    (toy / "circle").symlink_to(toy.parent)
    assert worth_a_look(copied_lake) == []
    assert copied_lake.usage()["bytes"].sum() == sizes
    (tmp_path / "cache" / "0").unlink()
    (text,) = worth_a_look(copied_lake, deep=False)
    assert "is a link that leads nowhere, to " in text
    outcome = copied_lake.repair("toy", dry_run=False)
    assert outcome["state"].to_list() == ["stays damaged"]
    assert outcome["how"][0].startswith("Bring back what it leads to; if that is lost, remove the link")


def test_files_of_other_tools_and_leases_are_sound(copied_lake, toy):
    log = toy / "results" / "_delta_log"
    others = [
        log / "00000000000000000003.crc",
        log / ".00000000000000000003.json.crc",
        log / "00000000000000000002.00000000000000000004.compacted.json",
        log / "_commits" / "00000000000000000003.json",
        toy / "results" / ".part-00000.parquet.crc",
        toy / "results" / "_SUCCESS",
        toy / "leases" / "20261123_142230_run001-0a1b",
        toy / "bundles" / "results" / ".0123456789abcdef0123456789abcdef",
    ]
    for file in others:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"{}")
    assert worth_a_look(copied_lake) == []
    (log / "00000000000000000099.crc").write_bytes(b"{}")
    (text,) = found(copied_lake, "log")
    assert "00000000000000000099.crc is the checksum of a version that the log does not have" in text
    assert "move this file to another folder" in text


@pytest.mark.parametrize("kind", ["pipe", "endless", "huge"])
@pytest.mark.parametrize("place", ["entry", "data", "pointer"])
def test_pipe_or_endless_file_is_one_finding(copied_lake, toy, kind, place):
    log = toy / "results" / "_delta_log"
    file = {
        "entry": damage_done.entry(toy / "results", 3),
        "data": damage_done.data_file(toy / "results", "run001"),
        "pointer": log / "_last_checkpoint",
    }[place]
    file.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "endless":
            file.symlink_to("/dev/zero")
        case _:
            with file.open("wb") as sparse:
                sparse.truncate(2**40)
    texts = [text for text in worth_a_look(copied_lake) if str(file) in text]
    assert len(texts) == 1
    states = set(copied_lake.repair("toy", dry_run=False, jobs=1)["state"])
    assert states == ({"healed"} if place == "data" else {"stays damaged"})
    assert file.is_file() == (place == "data" or kind == "huge")


def test_lake_copied_over_another_is_named_without_advice_to_vacuum(copied_lake, toy, tmp_path):
    other = lakebatch.open_lake(tmp_path / "other")
    lakebatch.run(other, "toy", jobs=1)
    for name, lower, upper in (("less", copied_lake, other), ("more", other, copied_lake)):
        mixed = tmp_path / name
        for each in (lower, upper):
            shutil.copytree(each.storage.uri, mixed, dirs_exist_ok=True)
        texts = worth_a_look(lakebatch.open_lake(mixed), deep=False)
        assert any(text.startswith("orphans: ") and "there is no event of 20" in text for text in texts), name
        assert not any("lakebatch vacuum" in text for text in texts)


def test_log_mixed_from_two_tables_is_a_problem(copied_lake, toy, tmp_path):
    other = lakebatch.open_lake(tmp_path / "other")
    lakebatch.run(other, "toy", jobs=1)
    shutil.copytree(tmp_path / "other" / "90_v1_toy" / "results", toy / "results", dirs_exist_ok=True)
    (text,) = found(copied_lake, "origin")
    assert "the log is mixed from two tables -> Remove nothing: copy each lake" in text


def test_copy_of_an_experiment_in_the_lake_is_a_note(copied_lake, toy):
    shutil.copytree(toy, toy.with_name("90_v1_toy-backup"))
    (text,) = found(copied_lake, "origin")
    assert text.startswith(
        "note: 90_v1_toy-backup is a copy of 90_v1_toy, so that every row of the lake counts twice"
    )


def test_duplicate_event_is_a_problem_until_it_is_repaired(copied_lake, toy):
    table = str(toy / "assemblies")
    deltalake.write_deltalake(table, pl.read_delta(table).filter(event=1)[:1], mode="append")
    (text,) = found(copied_lake, "foreign")
    assert "assemblies has 1 row (version" in text
    assert text.endswith("lakebatch repair toy@v1")
    with pytest.warns(
        DamageWarning, match=r"has 1 row .* that lakebatch did not write.*lakebatch repair toy"
    ):
        assert lakebatch.open_lake(toy.parent)["toy"].assemblies()["assembly_id"].is_unique().all()
    assert copied_lake.repair("toy", dry_run=False)["state"].to_list() == ["healed"]
    assert found(copied_lake, "duplicates") == found(copied_lake, "foreign") == []
    changed = pl.read_delta(table).filter(event=1)[:1].with_columns(rows=pl.lit(7, pl.Int64))
    as_own = deltalake.CommitProperties(custom_metadata={"lakebatch.event": "completed"})
    deltalake.write_deltalake(table, changed, mode="append", commit_properties=as_own)
    (text,) = found(copied_lake, "duplicates")
    assert "is there twice, with different values" in text


def test_rows_of_no_recorded_commit_are_a_problem(copied_lake, toy):
    table = str(toy / "results")
    rows = pl.read_delta(table).sort("assembly_id")[:2]
    as_own = deltalake.CommitProperties(custom_metadata={"lakebatch.event": "?"})
    deltalake.write_deltalake(table, rows, mode="append", commit_properties=as_own)
    (text,) = found(copied_lake, "rows")
    assert "problem: 11 rows of 20" in text
    assert "its commits brought 9" in text
    (outcome, *_) = copied_lake.repair("toy")["how"]
    assert re.fullmatch(r"version \d+ is not of a run, and nothing tells which rows .*", outcome)


def test_target_of_a_link_in_the_same_folder_is_no_leftover(copied_lake, toy):
    first, second = (Path(uri) for uri in deltalake.DeltaTable(toy / "results").file_uris()[:2])
    for file, name in ((first, "content.bin"), (second, "content.parquet")):
        target = file.rename(file.with_name(name))
        os.utime(target, (0, 0))
        file.symlink_to(name)
    assert found(copied_lake, "leftovers") == found(copied_lake, "orphans") == []
    copied_lake.vacuum(dry_run=False, keep_days=0)
    assert copied_lake["toy"].reassemble(on_gap="ignore").height == 18
    assert first.exists()
    assert second.exists()


def test_rows_taken_out_for_good_by_another_tool_are_computed_again(copied_lake, toy):
    rows = copied_lake["toy"].reassemble(on_gap="ignore")
    table = deltalake.DeltaTable(toy / "results")
    table.restore(2)
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert any("its commits brought" in text for text in found(copied_lake, "rows"))
    assert set(copied_lake.repair("toy")["state"]) == {"can be healed"}
    assert set(copied_lake.repair("toy", dry_run=False)["state"]) == {"healed"}
    assert lakebatch.open_lake(toy.parent)["toy"].reassemble(on_gap="ignore").equals(rows)
    assert found(copied_lake, "rows", severity=["problem"]) == found(copied_lake, "foreign") == []


def test_column_of_another_tool_is_null_and_named(copied_lake, toy):
    added = deltalake.Field("remark", deltalake.schema.PrimitiveType("string"))
    deltalake.DeltaTable(toy / "results").alter.add_columns([added])
    assert copied_lake["toy"].reassemble(on_gap="ignore")["remark"].is_null().all()
    for view in ("toy", "lake"):
        answer = copied_lake.sql(f"SELECT count(level), count(remark) FROM {view}.results", on_gap="ignore")
        assert answer.row(0)[1] == 0
        assert answer.row(0)[0] > 0
    (text,) = found(copied_lake, "table")
    assert "column 'remark' is not in schemas/results.toml. Have the tool that changed its columns" in text


def test_table_below_another_is_a_note_and_vacuum_leaves_it(copied_lake, toy):
    """As after a copy into a folder that exists, or of a lake begun in the wrong place."""
    shutil.copytree(toy / "results", toy / "results" / "copy")
    before = contents(toy / "results" / "copy")
    (text,) = found(copied_lake, "leftovers")
    assert text.startswith(f"note: {toy / 'results' / 'copy'} is another table -> Move it elsewhere")
    assert found(copied_lake, "orphans") == []
    for file in (toy / "results").rglob("*.parquet"):
        os.utime(file, (0, 0))
    copied_lake.vacuum(dry_run=False, keep_days=0)
    assert contents(toy / "results" / "copy").keys() == before.keys()


def test_missing_files_of_a_tag_are_found(copied_lake, toy):
    copied_lake["toy"].tag("before")
    copied_lake.optimize()
    copied_lake.vacuum(keep_days=0, dry_run=False)
    file = damage_done.gone(
        next(each for each in toy.glob("results/*/*.parquet") if pl.read_parquet(each).height == 3)
    )
    (text,) = found(copied_lake, "data files")
    assert text.startswith(f"problem: {file} is missing")


def test_file_committed_during_the_check_is_not_missing(copied_lake, monkeypatch):
    """The listing holds the log entry but not the file, because the folder of files was listed first."""
    stored = copied_lake["toy"]
    listed = type(stored.storage).files

    def before_the_file(storage, folder):
        files = listed(storage, folder)
        return (
            [each for each in files if "assembly_id=" not in each.path] if folder == stored.folder else files
        )

    monkeypatch.setattr(type(stored.storage), "files", before_the_file)
    found = [each for each in examine(copied_lake.storage, [stored]) if each.check == "data files"]
    assert {each.severity for each in found} == {"ok"}, found
