"""A read starts again only if a compaction has removed its files."""

import itertools

import pytest

from lakebatch.errors import DamageError, StorageError
from lakebatch.storage.delta import compaction, damage, vacuum
from lakebatch.storage.delta.reader import MAX_RENEWALS, read_latest, retry_on_compaction


@pytest.fixture
def two_files(results, frame):
    """Return a table of results in two small files."""
    for part in ("p", "q"):
        results.append_once("a", lambda state, last, part=part: frame(part), {})
    return results


def test_read_starts_again_when_files_were_merged_and_removed(two_files, open_table):
    states = []

    def read(state):
        states.append(state.number)
        if len(states) == 1:
            other = open_table()
            compaction.compact(other, 2**20, {})
            vacuum.vacuum(other, keep_versions=[], keep_hours=0, dry_run=False)
        return sorted(damage.read_rows(state, state.scan())["part"])

    assert read_latest(two_files, read) == ["p", "q"]
    assert states[0] < states[1]


def test_damaged_file_is_named_after_one_read(two_files):
    state = two_files.at()
    lost = state.data_files()[0]
    two_files.storage.remove(f"{two_files.path}/{lost.path}")
    reads = []

    def read(state):
        reads.append(state)
        return damage.read_rows(state, state.scan())

    with pytest.raises(DamageError, match="is missing"):
        read_latest(two_files, read)
    assert len(reads) == 1


def test_read_gives_up_when_files_keep_vanishing():
    reads = itertools.count(1)

    def attempt():
        raise DamageError(f"read {next(reads)}")

    with pytest.raises(StorageError, match="merged faster than they can be read") as failure:
        retry_on_compaction(attempt, lambda: True)
    assert str(failure.value.__cause__) == f"read {MAX_RENEWALS}"


def test_other_errors_are_raised_at_once():
    def attempt():
        raise StorageError("S3 says nothing.")

    with pytest.raises(StorageError, match="S3 says nothing"):
        retry_on_compaction(attempt, lambda: pytest.fail("renewed"))


@pytest.mark.parametrize("on_gap", ["refuse", "ignore"])
def test_retries_of_a_snapshot_are_not_multiplied(stored, on_gap):
    (first,) = stored.assemblies()["assembly_id"]
    snapshot = stored.snapshot()
    reads = []

    def read(pinned, ids):
        reads.append(ids)
        decide = stored.discard if len(reads) % 2 else stored.restore  # each has its own version
        decide(first, "for a test")
        raise OSError("the file is gone")

    with pytest.raises(StorageError, match="merged faster than they can be read"):
        snapshot.tables.read("results", [first], on_gap, read)
    assert reads == [[first]] * MAX_RENEWALS
