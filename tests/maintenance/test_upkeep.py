"""Optimize and vacuum: fewer files, the same rows."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path

import deltalake
import polars as pl
import pyarrow.parquet as pq
import pytest

import lakebatch
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import EVERY_STATUS, Plan, now
from lakebatch.errors import CommitError, ConfigError, DamageError
from lakebatch.legacy.frames.record import record
from lakebatch.maintenance import optimize
from lakebatch.storage.delta import compaction, replacement, vacuum
from lakebatch.storage.delta.replacement import Replacement
from lakebatch.storage.delta.table import Table
from lakebatch.storage.local import LocalFolder
from lakebatch.storage.retry import RetryPolicy


@pytest.fixture
def grown(stored, run):
    """Return the toy after two completed runs, a tag, and a run that failed in one of three parts."""
    run()
    stored.tag("paper-v1")
    run("fail=[0.2]")
    return stored


def of(frame, table):
    (row,) = frame.filter(table=table).rows(named=True)
    return row


def test_completed_run_leaves_one_file_of_results(stored, parquet_files):
    assert stored.results.at().file_table.height == 1
    assert len(parquet_files(stored.results)) == 4, "those of the parts stay until vacuum"


def test_optimize_does_as_its_dry_run_says(grown):
    rows, before = grown.reassemble(on_gap="ignore"), grown.snapshot().version
    planned = of(grown.optimize(dry_run=True), "results")
    assert planned == of(grown.optimize(dry_run=True), "results"), "a dry run changes nothing"
    done = of(grown.optimize(), "results")
    assert done == planned
    assert (done["files"], done["files_after"]) == (4, 3)
    assert grown.reassemble(on_gap="ignore").equals(rows)
    assert grown.reassemble(version=before, on_gap="ignore").equals(rows)
    assert of(grown.optimize(), "results")["files_after"] == 3


def test_vacuum_removes_unneeded_files_and_keeps_those_of_tags(grown, parquet_files):
    tagged, rows = grown.reassemble(tag="paper-v1"), grown.reassemble(on_gap="ignore")
    version = grown.tags()["assemblies_version"][0]
    grown.optimize()
    events = grown.log.table
    planned = of(grown.vacuum(keep_days=0), "assemblies")
    files = len(parquet_files(events))
    assert (files, planned["files"]) == (7, 2), "the events of the third run; the tag needs the four before"
    assert of(grown.vacuum(keep_days=0, dry_run=False), "assemblies") == planned
    assert len(parquet_files(events)) == 5
    plain = pl.scan_delta(events.uri, version=version).collect()
    assert plain.height == 4, "a reader that knows nothing of lakebatch"
    assert grown.reassemble(tag="paper-v1", on_gap="refuse").equals(tagged)
    assert grown.reassemble(on_gap="ignore").equals(rows)


def test_vacuum_removes_files_of_a_crash_but_keeps_recent_ones(grown):
    folder = next(Path(grown.results.uri).glob("assembly_id=*"))
    young, old = folder / "part-young.parquet", folder / "part-old.parquet"
    for file in (young, old):
        file.write_bytes(b"half a file")
    month = time.time() - 30 * 86_400
    os.utime(old, (month, month))
    found = of(grown.vacuum(dry_run=False), "results")
    assert (found["files"], found["bytes"]) == (1, 11)
    assert young.exists()
    assert not old.exists()


def test_vacuum_of_zero_days_keeps_files_about_to_be_committed(grown):
    young = next(Path(grown.results.uri).glob("assembly_id=*")) / "part-young.parquet"
    young.write_bytes(b"half a file")
    merged = of(grown.vacuum(keep_days=0, dry_run=False), "results")
    assert merged["files"] == 6, "those of the parts of two runs"
    assert young.exists()
    assert of(grown.vacuum(keep_days=0), "results")["files"] == 0, "what is gone is not named again"


def test_vacuum_keeps_other_files(grown):
    (folder,) = list(Path(grown.results.uri).glob("assembly_id=*"))[:1]
    file = folder / "notes.txt"
    file.write_text("precious")
    year = time.time() - 365 * 86_400
    os.utime(file, (year, year))
    grown.vacuum(keep_days=0, dry_run=False)
    assert file.read_text() == "precious"


def test_vacuum_lists_each_table_once(grown, monkeypatch):
    original, listed = LocalFolder.files, []
    monkeypatch.setattr(LocalFolder, "files", lambda *which: listed.append(which[1]) or original(*which))
    grown.vacuum(keep_days=0)
    tables = [f"{grown.folder}/{name}" for name in ("results", "assemblies", "tags")]
    assert [listed.count(each) for each in tables] == [1, 1, 1]


def test_reader_goes_on_when_its_files_are_merged_and_removed(grown):
    tag, expected = grown.tag("all"), grown.reassemble(on_gap="ignore")
    events = grown.log.events()
    pinned, lake = grown.snapshot(on_mix="ignore"), lakebatch.open_lake(grown.storage.uri)
    query = "SELECT count(*) AS rows FROM toy.results"
    lake_then = lake.snapshot()
    every = pinned.reassemble(EVERY_STATUS, on_gap="ignore")
    pinned = grown.snapshot(on_mix="ignore")
    grown.optimize()
    for table in (
        grown.results,
        grown.log.table,
    ):  # as by a process that read the tags before this one was set
        assert vacuum.vacuum(table, keep_versions=[], keep_hours=0, dry_run=False)
    assert pinned.reassemble(on_gap="ignore").equals(expected)
    assert pinned.reassemble(EVERY_STATUS, on_gap="ignore").equals(every)
    assert lake_then.sql(query, on_gap="ignore")["rows"].to_list() == [expected.height]
    assert grown.log.events(tag.assemblies_version).equals(events)
    assert grown.reassemble(tag="all", on_gap="ignore").equals(expected)


def test_version_in_an_event_is_unchanged_by_a_later_assembly(stored):
    plan = Plan({}, ("level=0",), 1, None, (), "0", {})
    first = stored.log.start(plan, stored.results.version())
    rows = pl.DataFrame({"level": [0.0], "repeat": [0]})
    PartWriter(stored.results, first.assembly_id, {}).append("level=0", rows, now())
    second = stored.log.start(plan, stored.results.version())
    before = stored.reassemble(version=second.results_version, on_gap="ignore")
    done = record(stored, first, "completed", parts=("level=0",), done=1, error=None)
    assert stored.reassemble(version=second.results_version, on_gap="ignore").equals(before)
    assert (
        stored.reassemble(version=done.results_version, on_gap="ignore", on_mix="ignore").height
        == before.height + 1
    )


def test_vacuum_of_negative_days_is_refused(grown):
    with pytest.raises(ConfigError, match="keep_days is -1"):
        grown.vacuum(keep_days=-1)


def test_usage_adds_up_to_the_files_on_disk(grown):
    usage = grown.usage()
    on_disk = sum(file.stat().st_size for file in Path(grown.results.uri).parent.rglob("*") if file.is_file())
    assert usage["bytes"].sum() == on_disk
    results = usage.filter(table="results")
    assert results["assembly_id"].drop_nulls().to_list() == grown.assemblies()["assembly_id"].to_list()
    assert results.drop_nulls("assembly_id")["rows"].to_list() == [9, 9, 6]


def test_files_merged_by_two_processes_at_once_are_merged_once(grown):
    """Each has written its merged file before the other commits; the engine alone would take both."""
    one, other = (Table(grown.storage, grown.folder, grown.results.schema) for _ in range(2))
    before = pl.read_delta(grown.results.uri)
    state = one.at()
    (merging,) = compaction.bins(state.data_files(), optimize.TARGET_BYTES)
    prepared = [
        Replacement(merging[0].assembly_id, tuple(merging), (compaction.write(table, state, merging),))
        for table in (one, other)
    ]
    assert other.version() == one.version()
    first, second = (
        replacement.replace(table, [each], {}) for table, each in zip((one, other), prepared, strict=True)
    )
    assert (first, second) == ([prepared[0]], [])
    order = ["assembly_id", "part", "repeat"]
    assert pl.read_delta(grown.results.uri).sort(order).equals(before.sort(order))


def test_losing_merge_is_refused_after_an_earlier_check(grown):
    """A process is stopped between its last check and its commit, and goes on after another has merged."""
    one, other = (Table(grown.storage, grown.folder, grown.results.schema) for _ in range(2))
    rows = pl.read_delta(grown.results.uri).height

    def meanwhile(table, *_):
        monkey.undo()
        assert compaction.compact(other, optimize.TARGET_BYTES, {})["files_before"] == 2
        return original(table, *_)

    original = replacement._commit
    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(replacement, "_commit", meanwhile)
        assert compaction.compact(one, optimize.TARGET_BYTES, {}) == {"files_before": 0, "files_after": 0}
    assert pl.read_delta(grown.results.uri).height == rows


def test_files_claimed_by_an_older_lakebatch_are_left_for_a_day(grown):
    def claim(at):
        handle = deltalake.DeltaTable(grown.results.uri)
        last = handle.transaction_version(replacement.TRANSACTION) or 0
        holder = {"token": "", "host": "elsewhere", "pid": 17, "at": at.isoformat(), "process_started": None}
        properties = deltalake.CommitProperties(
            custom_metadata={replacement.CLAIM: json.dumps(holder)},
            app_transactions=[deltalake.Transaction(replacement.TRANSACTION, last + 1 + last % 2)],
        )
        nothing = pl.read_delta(grown.results.uri).clear().to_arrow().cast(grown.results.schema.arrow)
        deltalake.write_deltalake(handle, nothing, mode="append", commit_properties=properties)

    claim(now())
    with pytest.raises(
        CommitError, match=r"are being merged by process 17 on elsewhere, since .* before 0\.2"
    ):
        compaction.compact(grown.results, optimize.TARGET_BYTES, {})
    claim(now() - timedelta(hours=25))
    assert compaction.compact(grown.results, optimize.TARGET_BYTES, {})["files_before"] == 2
    assert deltalake.DeltaTable(grown.results.uri).transaction_version(replacement.TRANSACTION) % 2 == 0


def test_merged_file_has_plain_types_and_the_row_order_of_its_table(grown):
    compaction.compact(grown.log.table, optimize.TARGET_BYTES, {})
    compaction.compact(grown.results, optimize.TARGET_BYTES, {})
    for table in (grown.log.table, grown.results):
        for file in table.at().data_files():
            types = {field.name: field.type for field in pq.read_schema(Path(table.uri, file.path))}
            expected = {field.name: field.type for field in table.at().file_schema()}
            assert types == expected


def test_file_with_fewer_rows_than_logged_is_not_merged(grown):
    state = grown.results.at()
    (merging,) = compaction.bins(state.data_files(), optimize.TARGET_BYTES)
    file = Path(grown.results.uri, merging[0].path)
    pl.read_parquet(file, hive_partitioning=False).head(1).write_parquet(file)
    with pytest.raises(
        DamageError, match=f"{re.escape(merging[0].path)} has 1 rows, its log says 3. Nothing was merged"
    ):
        compaction.compact(grown.results, optimize.TARGET_BYTES, {})


def test_writer_stopped_past_a_vacuum_writes_its_rows_again(stored):
    """Stopped between its file and its commit until vacuum removes the file: the commit must not name it."""
    plan = Plan({}, ("level=0",), 1, None, (), "0", {})
    begun = stored.log.start(plan, stored.results.version())
    rows = pl.DataFrame({"level": [0.0], "repeat": [0]})
    writing = Table(stored.storage, stored.folder, stored.results.schema)
    original, stops, vacuumed = Table._write, [1], []

    def stopped(table, handle, data, *rest):
        if stops:
            stops.pop()
            file = Path(table.uri, f"assembly_id={begun.assembly_id}", "part-written.parquet")
            file.parent.mkdir()
            data.drop("assembly_id").write_parquet(file)
            long_ago = time.time() - 25 * 3600
            os.utime(file, (long_ago, long_ago))
            vacuumed.extend(vacuum.vacuum(stored.results, keep_versions=[], keep_hours=0, dry_run=False))
            assert not file.exists()
        return original(table, handle, data, *rest)

    refused = []
    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(Table, "_write", stopped)
        monkey.setattr(RetryPolicy, "pause", lambda policy, attempt: refused.append(attempt))
        assert PartWriter(writing, begun.assembly_id, {}).append("level=0", rows, now())
    assert f"assembly_id={begun.assembly_id}/part-written.parquet" in [each.path for each in vacuumed]
    assert refused == [1], "the commit was refused once, and made again from the start"
    assert stored.results.at().scan([begun.assembly_id]).collect().height == 1


def test_vacuum_with_a_clock_set_ahead_keeps_new_files(grown):
    file = next(Path(grown.results.uri).glob("assembly_id=*")) / "part-young.parquet"
    file.write_bytes(b"half a file")
    script = (
        "import sys, lakebatch; lakebatch.open_lake(sys.argv[1])['toy'].vacuum(keep_days=0, dry_run=False)"
    )
    ahead = ["faketime", "-f", "+30d", sys.executable, "-c", script, grown.storage.uri]
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed")
    subprocess.run(ahead, check=True)
    assert file.exists()


def _aged(path):
    old = time.time() - 10 * 86400
    os.utime(path, (old, old))


@pytest.mark.parametrize("where", ["results/link", "results", "bundles/results", "bundles"])
def test_vacuum_removes_nothing_through_a_link(copied_lake, tmp_path, where):
    toy = copied_lake["toy"]
    folder = Path(copied_lake.storage.uri, toy.folder)
    victim = tmp_path / "victim"
    place = folder / where
    if place.exists():
        place.rename(victim)
    inside = victim / "results" if where == "bundles" else victim
    inside.mkdir(parents=True, exist_ok=True)
    bundle = "20261123_142230_run001-20261123_142230_run002-0123456789abcdef-8.parquet"
    for name in ("v.parquet", bundle):
        (inside / name).write_bytes(b"precious")
        _aged(inside / name)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(victim)
    before = sorted(each for each in victim.rglob("*") if each.is_file())
    for dry_run in (True, False):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            toy.vacuum(keep_days=0, dry_run=dry_run)
        links = {str(each.message).split(" is a link")[0] for each in said}
        assert links == {str(place)}
    assert sorted(each for each in victim.rglob("*") if each.is_file()) == before


def test_vacuum_removes_only_bundles_from_their_folder(copied_lake):
    toy = copied_lake["toy"]
    folder = Path(copied_lake.storage.uri, toy.folder, "bundles", "results")
    folder.mkdir(parents=True)
    ours = ["20261123_142230_run001-20261123_142230_run002-0123456789abcdef-8.parquet", "." + 32 * "a"]
    for name in [*ours, "thesis.tex", "x.parquet", ".settings.json"]:
        (folder / name).write_bytes(b"12345678")
        _aged(folder / name)
    assert toy.vacuum(keep_days=0, dry_run=True).filter(table="results")["files"].item() == 2
    toy.vacuum(keep_days=0, dry_run=False)
    assert sorted(each.name for each in folder.iterdir()) == [".settings.json", "thesis.tex", "x.parquet"]


def test_merge_stopped_past_a_vacuum_commits_no_removed_file(grown):
    """Refused once because of the vacuum, it must not retry with its own file, which was removed."""
    before = pl.read_delta(grown.results.uri)
    original, merging = replacement._commit, Table(grown.storage, grown.folder, grown.results.schema)

    def stopped(handle, replacements, *rest):
        monkey.undo()
        (file,) = (Path(grown.results.uri, each.path) for each in replacements[0].added)
        long_ago = time.time() - 25 * 3600
        os.utime(file, (long_ago, long_ago))
        vacuum.vacuum(grown.results, keep_versions=[], keep_hours=0, dry_run=False)
        assert not file.exists()
        return original(handle, replacements, *rest)

    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(replacement, "_commit", stopped)
        assert compaction.compact(merging, optimize.TARGET_BYTES, {})["files_after"] == 0
    order = ["assembly_id", "part", "repeat"]
    assert pl.read_delta(grown.results.uri).sort(order).equals(before.sort(order))
