"""Writing to a lake: to long logs, and by many processes at once."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from unittest.mock import patch

import polars as pl
from comparison import Call, Comparison
from lakes import ROWS, results_of, stored_in, write_one

from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import Plan
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.maintenance import optimize, published
from lakebatch.storage.delta import durability

APPENDS = 320
SERVER = Path(__file__).parents[1] / "s3" / "server.sh"
WRITER = """
import sys
from datetime import UTC, datetime
from lakes import ROWS, results_of, stored_in
from lakebatch.assembly.part_writer import PartWriter
lake, assembly_id, appends = sys.argv[1], sys.argv[2], int(sys.argv[3])
results, frame = stored_in(lake).results, results_of(ROWS, 1)
writer = PartWriter(results, assembly_id, {})
writer.append("first", frame, datetime.now(UTC))
print("ready", flush=True)
sys.stdin.readline()
for index in range(appends):
    writer.append(f"part={index}", frame, datetime.now(UTC))
print("done", flush=True)
"""
"""Appends parts, after a first one and a line on standard input."""


def writing(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparison of appends to a table with many and with few commits."""
    old, young = stored_in(folder / "old"), stored_in(folder / "young")
    write_one(young, results_of(ROWS, 0))
    frame = results_of(ROWS, 1)
    late, early = appender(old, frame), appender(young, frame)
    for _ in range(5_000):
        late()
    for _ in range(50):
        early()
    yield Comparison("append of a part, commit 5,000", "commit 50", late, early, 1.5)


def durable(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparison of an append synced to the disk and one left to the system."""
    synced, left = (appender(stored_in(folder / name), results_of(ROWS, 1)) for name in ("synced", "left"))

    def unsynced() -> None:
        with patch.object(durability, "sync"):
            left()

    yield Comparison("append of a part, synced to the disk", "left to the system", synced, unsynced, 2)


def publishing(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the processor time of assemblies that are published one by one, beside that of writing them."""
    stored, count = stored_in(folder / "published"), arguments.small
    written, done = _one_by_one(stored, count)
    yield Comparison(
        f"publishing of {count:,} assemblies of {ROWS} rows one by one, processor time",
        "writing them",
        lambda: sum(done),
        lambda: sum(written),
        1,
        once=True,
    )
    yield Comparison(
        f"publishing of one of the last {count // 10}",
        "writing it",
        lambda: median(done[-count // 10 :]),
        lambda: median(written[-count // 10 :]),
        1,
        once=True,
    )


def _one_by_one(stored: StoredExperiment, assemblies: int) -> tuple[list[float], list[float]]:
    """Return the processor seconds of writing each assembly as runs do, and those of publishing it."""
    written, done = [], []
    for number in range(assemblies):
        began = process_time()
        ended = write_one(stored, results_of(ROWS, number))
        optimize.compact_assembly(stored.results, stored.log.table, ended.assembly_id)
        between = process_time()
        published.update(stored)
        written.append(between - began)
        done.append(process_time() - between)
    return written, done


def appender(stored: StoredExperiment, frame: pl.DataFrame) -> Call:
    """Return a call that appends one more part."""
    started = stored.log.start(Plan({}, ("p",), 1, None, (), "0.1.0", {}), stored.results.version())
    writer, count = PartWriter(stored.results, started.assembly_id, {}, is_new=True), [0]

    def append() -> None:
        count[0] += 1
        writer.append(f"part={count[0]}", frame, datetime.now(UTC))

    return append


def at_once(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of many writers to one table with one, on disk and on S3."""
    yield _many_against_one("on disk", (folder / f"at-once-{uuid.uuid4().hex}" for _ in range(1_000)))
    with s3_bucket(folder / "s3") as bucket:
        yield _many_against_one("on S3", (f"{bucket}/at-once-{uuid.uuid4().hex}" for _ in range(1_000)))


def _many_against_one(where: str, lakes: Iterator[Path | str]) -> Comparison:
    return Comparison(
        f"{APPENDS} appends by 16 writers, {where}",
        "by one writer",
        lambda: appended(next(lakes), 16, APPENDS // 16),
        lambda: appended(next(lakes), 1, APPENDS),
        1,
    )


@contextmanager
def s3_bucket(folder: Path) -> Iterator[str]:
    """Start the S3 server of the tests, and yield a URI in it."""

    def server(action: str) -> str:
        environment = {**os.environ, "SERVER_FOLDER": str(folder)}
        return subprocess.run(
            [SERVER, action], check=True, stdout=subprocess.PIPE, text=True, env=environment
        ).stdout

    for action in ("install", "wipe"):
        server(action)
    os.environ |= dict(line.split("=", 1) for line in server("start").splitlines())
    try:
        yield f"s3://{os.environ['S3_BUCKET_NAME']}"
    finally:
        server("wipe")


def appended(lake: Path | str, writers: int, appends: int) -> float:
    """Return the seconds of a number of processes for `appends` each, from the moment all are ready."""
    stored_in(lake)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, lake, f"20261123_142230_run{number:03d}", str(appends)],
            cwd=Path(__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(writers)
    ]
    lines = [process.stdout for process in started]
    assert [line.readline() for line in lines] == ["ready\n"] * writers
    began = perf_counter()
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [line.readline() for line in lines] == ["done\n"] * writers
    seconds = perf_counter() - began
    for process in started:
        process.communicate()
    rows = stored_in(lake).results.at().scan().select(pl.len()).collect().item()
    assert rows == ROWS * writers * (appends + 1), rows
    return seconds
