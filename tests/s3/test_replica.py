"""Tables on S3 in a local copy of the end of their log: requests, commits beside others, unusual logs, left-overs."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import deltalake
import polars as pl
import pytest
from fault_proxy import Cue, Fault, FaultProxy, Refusal
from processes import run

import lakebatch
from lakebatch.errors import StorageError
from lakebatch.storage import locate, s3_options
from lakebatch.storage.delta import compaction
from lakebatch.storage.delta.log import FOLDER, PLACEHOLDER, checkpoint_name, entry_name
from lakebatch.storage.delta.replica import Replica
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion

ONE_PART = ("run", "toy", "--jobs", "1", "--set", "pause=0", "--set", "levels=[0.0]")
MAX_OF_A_RUN = 100
MAX_OF_STATUS = 45
PIECE = 5 << 20
"""The smallest size of a piece that S3 accepts, but for the last."""


@pytest.fixture
def counted(s3_lake) -> Iterator[Callable[..., Counter[str]]]:
    """Return a function that runs a command in a process of its own, and counts its requests by method."""
    with FaultProxy(s3_lake.server.settings["S3_ENDPOINT"]) as proxy:

        def call(*arguments: str) -> Counter[str]:
            before = len(proxy.passages)
            command = run(s3_lake.folder, *arguments, environment={"S3_ENDPOINT": proxy.url})
            assert command.wait() == 0, command.err
            return Counter(each.method for each in proxy.passages[before:])

        yield call


@pytest.fixture
def two(s3_lake) -> list[Table]:
    """Return the results of a run as two processes have them open."""
    done = run(s3_lake.folder, *ONE_PART)
    assert done.wait() == 0, done.err
    tables = [lakebatch.open_lake()["toy"].results for _ in range(2)]
    for each in tables:
        each.ensure()
    return tables


def _append(table: Table, transaction: str) -> bool:
    """Append three rows, unless any process has appended those of this transaction."""

    def data_after(state: TableVersion, last: int) -> pl.DataFrame | None:
        rows = state.scan().head(3).collect()
        return None if last else rows.with_columns(part=pl.lit(transaction))

    return table.append_once(transaction, data_after, {})


def _parts(table: Table) -> list[str]:
    return sorted(table.at().scan().select("part").unique().collect()["part"])


def test_run_of_one_part_takes_few_requests(s3_lake, counted) -> None:
    counts = [counted(*ONE_PART).total() for _ in range(4)]
    assert max(counts[1:]) <= MAX_OF_A_RUN, counts
    assert counted("status", "toy").total() <= MAX_OF_STATUS
    assert lakebatch.open_lake()["toy"].reassemble(on_gap="ignore").height == 4 * 3


def test_commit_follows_one_that_it_did_not_know(two) -> None:
    one, other = two
    before = one.version()
    assert _append(one, "a")
    assert _append(other, "b")  # from the state before a
    assert other.version() == one.version() == before + 2
    assert _parts(one) == _parts(other) == ["a", "b", "level=0"]
    assert not _append(one, "b")
    options = dict(one.storage.options)
    assert deltalake.DeltaTable(one.uri, storage_options=options).version() == before + 2


def test_commit_looks_again_after_one_of_the_same_transaction(two) -> None:
    one, other = two
    assert _append(one, "a")
    assert not _append(other, "a")
    assert _parts(other) == ["a", "level=0"]


def test_commit_looks_again_after_a_change_of_the_columns(two) -> None:
    one, other = two
    seen: list[int] = []

    def data_after(state: TableVersion, last: int) -> pl.DataFrame:
        if not seen:
            field = deltalake.Field("late", "long")
            one.alter(
                "add columns to", lambda handle, schema: lambda handle: handle.alter.add_columns([field])
            )
        seen.append(state.number)
        return state.scan().head(3).collect().select(list(other.schema.polars))

    assert other.append_once("a", data_after, {})
    assert seen == [one.version() - 2, one.version() - 1]


def test_merge_of_files_goes_together_with_an_append_but_not_with_another_merge(two) -> None:
    one, other = two
    for transaction in ("a", "b", "c"):
        assert _append(one, transaction)
    rows = one.at().scan().collect()
    state = other.at()
    assert _append(one, "d")
    merged = compaction.compact(other, 1 << 20, {})
    assert merged["files_before"] == 5
    assert compaction.compact(one, 1 << 20, {})["files_before"] == 0
    assert other.at().scan().collect().height == rows.height + 3
    assert state.number < other.version()


def test_checkpoint_of_another_engine_is_read_by_the_engine(two) -> None:
    """A checkpoint of several files is read by the engine itself, which then also commits."""
    one = two[0]
    version, options = one.version(), dict(one.storage.options)
    deltalake.DeltaTable(one.uri, storage_options=options).create_checkpoint()
    log = f"{one.path}/{FOLDER}"
    content = one.storage.read(f"{log}/{checkpoint_name(version)}")
    one.storage.remove(f"{log}/{checkpoint_name(version)}")
    one.storage.write(f"{log}/{version:020d}.checkpoint.{1:010d}.{1:010d}.parquet", content)
    one.storage.write(
        f"{log}/_last_checkpoint", json.dumps({"version": version, "size": 1, "parts": 1}).encode()
    )
    again = lakebatch.open_lake()["toy"].results
    assert not isinstance(again._open(), Replica)
    assert _append(again, "a")
    assert _parts(lakebatch.open_lake()["toy"].results) == ["a", "level=0"]


def test_gap_in_a_log_is_named_and_never_filled(two, monkeypatch) -> None:
    one, other = two
    monkeypatch.setattr("lakebatch.storage.delta.replica.FRESH_SECONDS", 0.0)
    for transaction in ("a", "b"):
        assert _append(one, transaction)
    lost = f"{one.path}/{FOLDER}/{entry_name(one.version() - 1)}"
    one.storage.remove(lost)
    with pytest.raises(StorageError, match=f"{lost} is missing"):
        _append(other, "c")
    with pytest.raises(StorageError, match=f"{lost} is missing"):
        lakebatch.open_lake()["toy"].results.at()


def test_entry_that_was_replaced_is_read_again(two) -> None:
    one, _ = two
    assert _append(one, "a")
    assert _parts(one) == ["a", "level=0"]
    one.storage.write(f"{one.path}/{FOLDER}/{entry_name(one.version())}", PLACEHOLDER.encode())
    assert _parts(one) == ["level=0"]


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOST, Fault.ERROR_AFTERWARDS, Fault.TRUNCATED])
def test_large_file_arrives_whole_behind_faults(s3_lake, tmp_path, monkeypatch, fault) -> None:
    """Every request fails at first: the begin, each piece and the end."""
    monkeypatch.setattr("lakebatch.storage.s3.MULTIPART_BYTES", 1000)
    monkeypatch.setattr("lakebatch.storage.s3.PIECE_BYTES", PIECE)
    (tmp_path / "large").write_bytes(content := os.urandom(2 * PIECE + 12345))
    with FaultProxy(s3_lake.server.settings["S3_ENDPOINT"]) as proxy:
        monkeypatch.setenv("S3_ENDPOINT", proxy.url)
        proxy.cues = [Cue("PUT|POST", "large", fault)]
        locate(s3_lake.uri).objects.upload("large", tmp_path / "large")
        assert proxy.injected()[fault] == 5
        proxy.cues = []
        assert locate(s3_lake.uri).read("large") == content


def test_failed_upload_leaves_no_pieces(s3_lake, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("lakebatch.storage.s3.MULTIPART_BYTES", 1000)
    (tmp_path / "large").write_bytes(os.urandom(2000))
    with FaultProxy(s3_lake.server.settings["S3_ENDPOINT"]) as proxy:
        monkeypatch.setenv("S3_ENDPOINT", proxy.url)
        proxy.cues = [Cue("PUT", "partNumber", Refusal(403, "AccessDenied"), all_after=0)]
        with pytest.raises(StorageError, match="S3 says AccessDenied"):
            locate(s3_lake.uri).objects.upload("large", tmp_path / "large")
    left = s3_lake.server.client().list_multipart_uploads(Bucket=s3_lake.server.bucket, Prefix=s3_lake.prefix)
    assert not left.get("Uploads")


def test_copies_are_removed_with_their_process_and_not_by_its_forks(two, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    table = lakebatch.open_lake()["toy"].results
    table.ensure()
    (copy,) = tmp_path.glob("lakebatch-log-*")
    if (child := os.fork()) == 0:
        try:
            del table
            gc.collect()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert copy.exists()
    del table
    gc.collect()
    assert not copy.exists()
    script = "import lakebatch; lakebatch.open_lake()['toy'].results.ensure()"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert not list(tmp_path.glob("lakebatch-log-*"))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk"
)
def test_full_disk_of_the_copies_is_named(two, tmp_path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        script = "import lakebatch; lakebatch.open_lake()['toy'].results.ensure()"
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        (tmp_path / "filler").write_bytes(bytes(24 << 10))
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
        )
        assert (
            f"Cannot write a copy of {two[0].uri} to {tmp_path}: No space left. Nothing is lost"
            in done.stderr
        )
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_secrets_are_in_no_copy_that_others_can_read(two, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    table = lakebatch.open_lake()["toy"].results
    table.ensure()
    (copy,) = tmp_path.glob("lakebatch-log-*")
    assert copy.stat().st_mode & 0o077 == 0
    assert s3_options(os.environ)["AWS_SECRET_ACCESS_KEY"] not in "".join(
        each.read_text("utf-8", "replace") for each in Path(copy).rglob("*") if each.is_file()
    )
