"""The cache of the newest state: opened once, and valid until the next commit."""

import os
import pickle
import shutil
import threading
import warnings

import polars as pl
import pytest

import lakebatch
from lakebatch.errors import DamageError, DamageWarning, SchemaError, StorageError
from lakebatch.storage.delta.log import PLACEHOLDER, entry_name
from lakebatch.storage.local import LocalFolder

COMMITS = 60


@pytest.fixture
def other(open_table):
    """The same table, opened by another process."""
    return open_table()


def once(table, frame, part):
    return table.append_once(part, lambda state, last: None if last else frame(part), {})


def entry(table, version):
    return table._folder / "_delta_log" / entry_name(version)


def parts(state):
    return sorted(state.scan().collect()["part"].to_list())


def test_state_is_cached_until_the_next_commit(results, other, frame):
    first = results.at()
    assert results.at() is first
    once(other, frame, "p")
    second = results.at()
    assert (second.number, parts(second)) == (first.number + 1, ["p"])
    assert results.at() is second
    assert parts(first) == []


def test_every_commit_is_seen_by_the_next_read(results, other, frame):
    """Even directly after the last commit: a disk's clock cannot distinguish two quick commits."""
    for number in range(COMMITS):
        once(other, frame, f"p{number}")
        assert results.at().number == other.version()


def test_commit_within_one_tick_of_the_clock_is_seen(results, other, frame):
    """File times do not help here: the folder has the time before the commit."""
    once(other, frame, "p")
    state, log = results.at(), results._folder / "_delta_log"
    before = log.stat()
    once(other, frame, "q")
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert results.at().number == state.number + 1


def test_recreated_table_is_read_again(results, open_table, frame):
    """Also with as many commits as before."""
    once(results, frame, "before")
    assert parts(results.at()) == ["before"]
    shutil.rmtree(results._folder)
    anew = open_table()
    anew.ensure()
    once(anew, frame, "after")
    assert parts(results.at()) == ["after"]


def test_restored_entry_is_read(results, frame):
    """A damaged log is not cached: a file can be restored without any file being added or removed."""
    for part in ("p", "q"):
        once(results, frame, part)
    lost = entry(results, results.version() - 1)
    content = lost.read_bytes()
    lost.write_bytes(b"")
    for _ in range(2):
        with pytest.warns(DamageWarning, match="is empty, so the rows committed there are missing"):
            assert parts(results.at()) == ["q"]
    lost.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parts(results.at()) == ["p", "q"]


def test_replaced_or_lost_newest_entry_is_noticed(results, frame):
    for part in ("p", "q"):
        once(results, frame, part)
    assert parts(results.at()) == ["p", "q"]
    number = results.version()
    newest = entry(results, number)
    newest.write_text(PLACEHOLDER)
    assert parts(results.at()) == ["p"]
    newest.unlink()
    assert results.at().number == number - 1


def test_lost_older_entry_is_noticed(results, frame):
    for part in ("p", "q"):
        once(results, frame, part)
    assert parts(results.at()) == ["p", "q"]
    entry(results, results.version() - 1).unlink()
    with pytest.raises(DamageError, match="is missing"):
        results.at()


def test_missing_log_is_an_error(results, frame):
    once(results, frame, "p")
    assert parts(results.at()) == ["p"]
    shutil.rmtree(results._folder / "_delta_log")
    with pytest.raises(StorageError, match="has lost its log"):
        results.at()


def test_data_file_lost_afterwards_is_named(stored):
    stored.reassemble()
    (file,) = stored.results.at().data_files()[:1]
    os.unlink(f"{stored.results.at().uri}/{file.path}")
    with pytest.raises(StorageError, match="is missing"):
        stored.reassemble()


def test_table_upgraded_after_the_first_read_is_refused(results, open_table):
    reader, newer = open_table(), open_table()
    assert reader.at() is reader.at()
    newer._refresh().alter.set_table_properties({"lakebatch.schemaVersion": "99"}, raise_if_not_exists=False)
    with pytest.raises(SchemaError, match="has schema version 99"):
        reader.at()


def test_many_threads_read_while_one_writes(results, other, frame):
    """Every read sees whole commits, and never fewer than the read before."""
    faults, ended, begun = [], threading.Event(), results.version()

    def look():
        seen = 0
        while not ended.is_set():
            state = results.at()
            rows = state.scan().collect().height
            if rows != state.number - begun or rows < seen:
                faults.append((seen, rows, state.number))
            seen = rows

    threads = [threading.Thread(target=look) for _ in range(4)]
    for each in threads:
        each.start()
    for number in range(COMMITS // 2):
        once(other, frame, f"p{number}")
    ended.set()
    for each in threads:
        each.join()
    assert not faults


def test_lake_keeps_the_caches_of_its_experiments(stored, lake, run):
    looked = lakebatch.open_lake(lake.storage.uri)
    first = looked[stored.name].results.at()
    assert looked[stored.name].results.at() is first
    before = looked[stored.name].reassemble()
    run()
    after = looked[stored.name].reassemble()
    assert after.height == 2 * before.height
    assert after.equals(stored.reassemble())
    assert looked.sql(f"SELECT count(*) AS n FROM {stored.schema_name()}.results")["n"].item() == after.height


def test_lake_can_be_pickled_after_reading(stored, lake):
    looked = lakebatch.open_lake(lake.storage.uri)
    rows = looked[stored.name].reassemble()
    there = pickle.loads(pickle.dumps(looked))  # noqa: S301
    assert there[stored.name].reassemble().equals(rows)


def test_cached_events_are_read_once_and_immutable(stored):
    first = stored.snapshot().events
    first.insert_column(0, pl.lit(1).alias("mine"))
    assert "mine" not in stored.snapshot().events.columns
    assert stored.snapshot().events.equals(stored.log.events())


def test_state_outdated_while_opening_is_not_cached(results, other, frame, monkeypatch):
    """Another process commits between the opening of a state and the check of its log."""
    once(results, frame, "p")
    real, calls = LocalFolder.validator, []

    def late(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            once(other, frame, "q")
        return real(*arguments)

    monkeypatch.setattr(LocalFolder, "validator", late)
    assert parts(results.at()) == ["p"]
    second = results.at()
    assert parts(second) == ["p", "q"]
    assert results.at() is second


def test_state_without_a_validator_is_not_cached(results, frame, monkeypatch):
    def unreachable(*_):
        raise StorageError("S3 says nothing.")

    monkeypatch.setattr(LocalFolder, "validator", unreachable)
    once(results, frame, "p")
    first = results.at()
    assert parts(first) == ["p"]
    assert results.at() is not first
