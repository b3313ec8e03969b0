"""Logs of runs in the lake."""

import logging
import shutil
import threading
from pathlib import Path

import deltalake
import polars as pl
import pytest

import lakebatch
from lakebatch.assembly import log_capture, logs
from lakebatch.assembly.logs import RunLog
from lakebatch.assembly.shards import Shard
from lakebatch.errors import ConfigError, RunInterrupted, StorageError, UnknownNameError
from lakebatch.runner import run as runner
from lakebatch.runner.run import Progress
from lakebatch.storage.delta.table import Table

PACKAGE = logging.getLogger("lakebatch")


def lines(stored, *arguments, **options):
    return stored.logs(*arguments, **options)["message"].to_list()


def run(lake, name, *settings, **options):
    return runner.run(lake, name, settings=settings, **{"jobs": 1} | options)


def test_log_of_a_run_is_in_the_lake_with_the_tracebacks_of_failed_parts(toy, lake):
    run(lake, toy, "levels=[0]", "at_once=true")
    ended = run(lake, toy, "fail=[0.1]", jobs=2)
    stored = lake[toy]
    found = stored.logs()
    assert found["assembly_id"].unique().to_list() == [ended.assembly_id]
    assert found["line"].to_list() == list(range(1, found.height + 1))
    assert found["message"][-1] == f"{ended.assembly_id} is failed: 2 of 3 parts, 6 rows"
    assert set(found["part"].drop_nulls()) == {"level=0", "level=0.1", "level=0.2"}
    (trace,) = lines(stored, ended.assembly_id, level="error", part="level=0.1")
    assert trace.startswith("part level=0.1 failed:\nTraceback (most recent call last):")
    assert trace.rstrip().endswith("ValueError: level 0.1 is bad")
    assert "_misbehave(level, config)" in trace
    first = stored.assemblies()["assembly_id"][0]
    assert set(stored.logs(first)["assembly_id"]) == {first}


def test_plain_run_makes_one_commit_for_its_log(toy, lake):
    for _ in range(2):
        run(lake, toy, "levels=[0]")
    operations = [each.operation for each in lake[toy].table("logs").commits()]
    assert operations == ["CREATE TABLE", "ADD CONSTRAINT", "WRITE", "WRITE"]


def test_resumed_assembly_has_the_logs_of_both_processes(toy, lake, tmp_path):
    class Stopping(Progress):
        stopped = False

        def part_committed(self, outcome, rows):
            self.stopped = True

        def wants_to_stop(self):
            return self.stopped

    with pytest.raises(RunInterrupted):
        run(lake, toy, progress=Stopping())
    stored = lake[toy]
    assert "Interrupted with 1 of 3 parts done." in lines(stored)[-1]
    lakebatch.resume(lake, toy, jobs=1)
    found = stored.logs()
    assert found["event"].unique().sort().to_list() == [0, 2]
    assert found.filter(event=2)["line"][0] == 1
    assert lines(stored)[-1].endswith("is completed: 3 of 3 parts, 9 rows")


def test_error_that_ends_a_run_is_in_its_log(toy, lake):
    class Broken(Progress):
        def part_committed(self, outcome, rows):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run(lake, toy, progress=Broken())
    (last,) = lines(lake[toy], level="ERROR")
    assert last.startswith("the run ended with RuntimeError: a bug\nTraceback")


def test_log_is_written_during_a_run_so_that_a_kill_loses_little(toy, lake, monkeypatch):
    for name in ("FIRST_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(logs, name, 0.0)
    seen = []

    class Looking(Progress):
        def part_committed(self, outcome, rows):
            seen.append(lake[toy].table("logs").exists() and lines(lake[toy]))

    run(lake, toy, progress=Looking())
    assert len(seen[1]) > len(seen[0] or [])
    found = lake[toy].logs()
    assert found["line"].to_list() == list(range(1, found.height + 1))


def test_shards_of_an_array_write_their_logs_to_one_assembly(toy, lake):
    for index in (1, 2):
        ended = run(lake, toy, shard=Shard(index, 2, "array-7"), assembly_name="shared")
    found = lake[toy].logs("shared")
    assert ended.status == "completed"
    assert found["shard"].unique().sort().to_list() == ["1/2", "2/2"]
    assert found.select("event", "line").is_unique().all()


def test_log_that_cannot_be_written_fails_no_run(toy, lake, monkeypatch, caplog):
    def refuse(table):
        raise StorageError("no space left")

    run(lake, toy, "levels=[0]")
    original = Table.ensure
    monkeypatch.setattr(
        Table, "ensure", lambda each: refuse(each) if each.schema.table == "logs" else original(each)
    )
    ended = run(lake, toy, "levels=[0]")
    assert ended.status == "completed"
    assert f"The log of {ended.assembly_id} was not written to the lake: no space left" in caplog.text
    assert lake[toy].logs().is_empty()


def test_records_are_written_once_whatever_an_attempt_reports(toy, lake, monkeypatch):
    """A commit that was made and reported as failed is found, also by the next write."""
    assembly = run(lake, toy, "levels=[0]")
    table = lake[toy].table("logs")
    writes, original = [], Table._write

    def write_and_fail(self, *arguments):
        original(self, *arguments)
        writes.append(self)
        if len(writes) in failing:
            raise OSError("the answer was lost")

    monkeypatch.setattr(Table, "_write", write_and_fail)
    monkeypatch.setattr("lakebatch.storage.retry.time.sleep", lambda _: None)
    with log_capture.captured() as capture:
        log = RunLog(table, assembly, Shard.whole(), capture)
        log._event = 7
        for number, failing in enumerate([{1}, set(), {3}]):  # noqa: B007
            PACKAGE.info("record %d", number)
            log.write()
    found = lake[toy].logs().filter(event=7, logger="lakebatch")
    assert found["message"].to_list() == ["record 0", "record 1", "record 2"]
    assert found["line"].is_unique().all()


def test_secrets_and_controls_are_withheld_from_logs(toy, lake, tmp_path, monkeypatch):
    monkeypatch.setenv("S3_SECRET_KEY", "hush-hush-hush")
    file = tmp_path / "experiments" / "toy.py"
    file.write_text(file.read_text().replace('is bad")', 'is bad hush-hush-hush \\x1b[31m \\udcff")'))
    run(lake, toy, "fail=[0.1]", "levels=[0.1]")
    text = "\n".join(lines(lake[toy]))
    assert "hush" not in text
    assert "bad [S3_SECRET_KEY withheld] \\x1b[31m \\udcff" in text


def test_a_program_hears_only_the_level_that_it_has_chosen(toy, lake, caplog):
    """Debug lines reach the lake and no handler of the program."""
    heard = []
    own = logging.Handler()
    own.emit = heard.append
    PACKAGE.addHandler(own)
    try:
        with caplog.at_level(logging.INFO):
            run(lake, toy, "levels=[0.1]", "fail=[0.1]")
            PACKAGE.info("afterwards")
        assert PACKAGE.handlers == [own]
    finally:
        PACKAGE.removeHandler(own)
    for records in (heard, caplog.records):
        assert {each.levelname for each in records if each.name.startswith("lakebatch")} == {"INFO"}
    assert heard[-1].getMessage() == "afterwards"
    assert (PACKAGE.level, PACKAGE.propagate) == (logging.NOTSET, True)
    assert lines(lake[toy], level="ERROR")


def test_runs_of_two_threads_have_their_own_logs():
    captures = {}
    meet = threading.Barrier(2)

    def work(name):
        with log_capture.captured() as captures[name]:
            meet.wait()
            PACKAGE.info("of %s", name)
            meet.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {name: [line.message for line in each.waiting()] for name, each in captures.items()} == {
        "a": ["of a"],
        "b": ["of b"],
    }


def test_wrong_questions_are_one_line(toy, lake):
    run(lake, toy, "levels=[0]")
    stored = lake[toy]
    with pytest.raises(ConfigError, match="Unknown level 'loud'"):
        stored.logs(level="loud")
    with pytest.raises(UnknownNameError, match="has no part 'level=1'"):
        stored.logs(part="level=1")
    with pytest.raises(UnknownNameError, match="'unknown' is not an assembly id, and no assembly"):
        stored.logs("unknown")


def test_lake_without_logs_has_empty_ones(toy, lake):
    run(lake, toy, "levels=[0]")
    shutil.rmtree(Path(lake[toy].table("logs").uri))
    assert lake[toy].logs().is_empty()


def test_logs_are_examined_counted_and_merged_like_other_tables(toy, lake):
    for _ in range(2):
        assembly = run(lake, toy, "levels=[0]")
    lakebatch.resume(lake, toy, run(lake, toy, "fail=[0.1]").assembly_id, jobs=1)
    stored = lake[toy]
    table = deltalake.DeltaTable(stored.table("logs").uri)
    assert table.to_pyarrow_table().num_rows > 0
    before = stored.logs(assembly.assembly_id)
    used = lake.usage().filter(table="logs", assembly_id=assembly.assembly_id)
    assert used.select("files", "rows").row(0) == (1, before.height)
    merged = lake.optimize().filter(table="logs").select("files", "files_after").row(0)
    assert merged == (4, 3)
    lake.vacuum(keep_days=0, dry_run=False)
    assert stored.logs(assembly.assembly_id).equals(before)
    found = lake.doctor(deep=True).filter(pl.col("subject").str.contains("logs"))
    assert found.filter(severity="problem").is_empty()
    assert found.height


def test_damaged_log_is_named_and_repaired(toy, lake):
    assembly = run(lake, toy, "levels=[0]")
    stored = lake[toy]
    before = stored.logs()
    (file,) = Path(stored.table("logs").uri).rglob("*.parquet")
    file.unlink()
    assert stored.reassemble().height == 3
    with pytest.raises(StorageError, match=f"of {assembly.assembly_id} is missing"):
        lake[toy].logs()
    assert "logs" in " ".join(lake.doctor().filter(severity="problem")["subject"])
    lake.repair(dry_run=False)
    assert lake[toy].logs().equals(before)
