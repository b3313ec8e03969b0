"""Behaviour of the engines that the design relies on: changes in a release must be noticed."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

LONG = deltalake.Schema.from_json(
    '{"type":"struct","fields":[{"name":"x","type":"long","nullable":true,"metadata":{}}]}'
)
ONE = pl.DataFrame({"x": [1]})


@pytest.fixture
def uri(tmp_path):
    return str(tmp_path / "table")


def claim(version):
    return CommitProperties(app_transactions=[Transaction("app", version)])


def values(uri, column="x"):
    return sorted(pl.read_delta(uri)[column].to_list())


def test_transactions_do_not_deduplicate_by_uri(uri):
    for _ in range(2):
        write_deltalake(uri, ONE, mode="append", commit_properties=claim(1))
    assert values(uri) == [1, 1]


def test_write_through_a_handle_is_refused_after_another_commit_of_the_transaction(uri):
    write_deltalake(uri, ONE)
    looked = DeltaTable(uri)
    assert looked.transaction_version("app") is None
    write_deltalake(uri, ONE, mode="append", commit_properties=claim(1))
    with pytest.raises(CommitFailedError, match="Concurrent transaction failed"):
        write_deltalake(looked, ONE, mode="append", commit_properties=claim(1))
    assert values(uri) == [1, 1]
    assert DeltaTable(uri).transaction_version("app") == 1


def test_write_through_a_handle_succeeds_after_a_commit_of_another_transaction(uri):
    write_deltalake(uri, ONE)
    looked = DeltaTable(uri)
    other = CommitProperties(app_transactions=[Transaction("other", 1)])
    write_deltalake(uri, ONE, mode="append", commit_properties=other)
    write_deltalake(looked, ONE, mode="append", commit_properties=claim(1))
    assert values(uri) == [1, 1, 1]


@pytest.mark.parametrize("options", [{}, {"schema_mode": "merge"}])
def test_doubles_in_a_long_column_are_truncated_silently(uri, options):
    DeltaTable.create(uri, LONG)
    write_deltalake(uri, pl.DataFrame({"x": [1.9]}), mode="append", **options)
    assert values(uri) == [1]


def test_constraint_takes_nan_for_larger_than_every_number(uri):
    """NaN passes a lower bound and fails an upper one, so it must be refused elsewhere."""
    write_deltalake(uri, pl.DataFrame({"x": [0.5]}))
    DeltaTable(uri).alter.add_constraint({"at_least_zero": "x >= 0"})
    write_deltalake(uri, pl.DataFrame({"x": [float("nan")]}), mode="append")
    assert pl.read_delta(uri)["x"].is_nan().sum() == 1
    with pytest.raises(DeltaError, match="Invalid data found"):
        write_deltalake(uri, pl.DataFrame({"x": [-0.5]}), mode="append")


def test_constraint_with_an_upper_bound_refuses_nan(uri):
    write_deltalake(uri, pl.DataFrame({"x": [0.5]}))
    DeltaTable(uri).alter.add_constraint({"at_most_one": "x <= 1"})
    with pytest.raises(DeltaError, match="Invalid data found"):
        write_deltalake(uri, pl.DataFrame({"x": [float("nan")]}), mode="append")


def test_append_only_table_refuses_delete_and_update_and_allows_compaction(uri):
    for _ in range(3):
        write_deltalake(uri, ONE, mode="append", configuration={"delta.appendOnly": "true"})
    with pytest.raises(DeltaError):
        DeltaTable(uri).delete("x = 1")
    with pytest.raises(DeltaError):
        DeltaTable(uri).update({"x": "2"})
    done = DeltaTable(uri).optimize.compact()
    assert (done["numFilesRemoved"], done["numFilesAdded"]) == (3, 1)
    assert values(uri) == [1, 1, 1]


def test_compaction_does_not_conflict_with_an_append(uri):
    for _ in range(3):
        write_deltalake(uri, ONE, mode="append")
    looked = DeltaTable(uri)
    DeltaTable(uri).optimize.compact()
    write_deltalake(looked, ONE, mode="append", commit_properties=claim(1))
    assert values(uri) == [1, 1, 1, 1]


def test_configuration_of_a_later_write_is_ignored(uri):
    write_deltalake(uri, ONE)
    write_deltalake(uri, ONE, mode="append", configuration={"delta.appendOnly": "true"})
    assert "delta.appendOnly" not in DeltaTable(uri).metadata().configuration


def test_copied_table_has_the_times_of_the_copy(uri, tmp_path):
    """Delta uses the times of the log files, and resolves earlier times to version 0."""
    for _ in range(3):
        write_deltalake(uri, ONE, mode="append")
    start = datetime.now(UTC) - timedelta(days=3)
    for version in range(3):
        moment = (start + timedelta(days=version)).timestamp()
        os.utime(Path(uri, "_delta_log", f"{version:020}.json"), (moment, moment))
    then = start + timedelta(days=1, hours=1)
    original = DeltaTable(uri)
    original.load_as_version(then)
    assert original.version() == 1
    shutil.copytree(uri, tmp_path / "copy", copy_function=shutil.copyfile)
    copy = DeltaTable(str(tmp_path / "copy"))
    copy.load_as_version(then)
    assert copy.version() == 0


def test_restore_keeps_transactions(uri):
    write_deltalake(uri, ONE)
    write_deltalake(uri, ONE, mode="append", commit_properties=claim(1))
    DeltaTable(uri).restore(0)
    assert values(uri) == [1]
    assert DeltaTable(uri).transaction_version("app") == 1


def test_files_of_a_crash_are_found_by_full_vacuum_only(uri):
    write_deltalake(uri, ONE)
    orphan = Path(uri, "part-00000-orphan-c000.snappy.parquet")
    ONE.write_parquet(orphan)
    os.utime(orphan, (1_500_000_000, 1_500_000_000))
    assert DeltaTable(uri).vacuum(dry_run=True) == []
    assert [Path(file).name for file in DeltaTable(uri).vacuum(dry_run=True, full=True)] == [orphan.name]


def test_file_uris_of_a_local_table_are_percent_encoded(tmp_path):
    uri = str(tmp_path / "a b")
    write_deltalake(uri, ONE)
    [file] = DeltaTable(uri).file_uris()
    assert "a%20b" in file
    assert not Path(file).exists()
