"""Compare reading, writing and starting with what people use today, side by side, as ratios.

Run it with ``python tests/benchmarks/lake.py [--rounds N] [--small N] [--large N] [--folder FOLDER] [NAME ...]``.
Each row is the ratio of two medians over rounds that alternate between the two; the target stands beside it. The
large lake takes the longest to write, about 100 ms an assembly; in a FOLDER it is kept for the next time. What is
compared with has to be there: ``pip install mlflow signac duckdb-extension-delta``; rows for which it is not are left out,
and said so.
"""

# ruff: noqa: T201, S301 - what is unpickled here was pickled here
from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import duckdb
import polars as pl
from lakes import NAME, ROWS, fill, results_of, stored_in, write_one

import lakebatch
from lakebatch.assembly import Plan
from lakebatch.parts import PartWriter

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
Call = Callable[[], object]
"""Something to time; where it returns seconds, those that it timed itself."""
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from lakes import ROWS, results_of, stored_in
from lakebatch.parts import PartWriter
lake, assembly_id, appends = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
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
METRICS = "SELECT assembly_id, avg(mse), avg(r2), avg(pearson_r) FROM benchmark.results GROUP BY assembly_id"


@dataclass(frozen=True)
class Comparison:
    """Two calls to compare: the first is to take at most so many times as long as the second."""

    what: str
    against: str
    ours: Call
    theirs: Call
    at_most: float
    plus_seconds: float = 0.0
    """What may be added to the other's time; then the difference is shown in place of the ratio."""


def main() -> None:
    """Print one line per comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where lakes are kept")
    arguments = parser.parse_args()
    print(f"{'what':<44}{'against':<44}{'ours':>10}{'theirs':>10}{'ratio':>8}  target")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary)
        for name in arguments.groups or GROUPS:
            for each in GROUPS[name](folder, arguments):
                report(each, arguments.rounds)


def report(each: Comparison, rounds: int) -> None:
    """Measure, and print a line."""
    ours, theirs = measure(each.ours, each.theirs, rounds)
    if each.plus_seconds:
        shown, target = f"{ours - theirs:+.2f} s", f"at most +{each.plus_seconds:g} s"
        is_met = ours - theirs <= each.plus_seconds
    else:
        shown, target = f"{ours / theirs:.2f}", f"at most {each.at_most:g}"
        is_met = ours / theirs <= each.at_most
    times = f"{1e3 * ours:8.1f}ms{1e3 * theirs:8.1f}ms"
    print(
        f"{each.what:<44}{each.against:<44}{times}{shown:>8}  {target}{'' if is_met else '  MISSED'}",
        flush=True,
    )


def measure(ours: Call, theirs: Call, rounds: int) -> tuple[float, float]:
    """Return the median seconds of both, taken in turns after one round that does not count."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for call, seconds in zip((ours, theirs), taken, strict=True):
            began = time.perf_counter()
            timed = call()
            if number:
                seconds.append(timed if isinstance(timed, float) else time.perf_counter() - began)
    return median(taken[0]), median(taken[1])


def reading(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of re-assembly and SQL on a lake of the small size."""
    count = arguments.small
    stored = stored_in(folder / "small")
    fill(stored, count)
    everything = stored.reassemble(on_gap="refuse")
    pickles = folder / "pickles"
    pickles.mkdir(exist_ok=True)
    for number in range(count):
        (pickles / f"{number}.pkl").write_bytes(pickle.dumps(results_of(ROWS, number).to_pandas()))
    everything.write_parquet(folder / "single.parquet")
    table, where = f"re-assembly, {count:,} x {ROWS} rows", "pickle + concat"
    yield Comparison(table, where, stored.reassemble, lambda: concatenated(pickles), 1 / 3)
    yield Comparison(
        table, "one Parquet file", stored.reassemble, lambda: pl.read_parquet(folder / "single.parquet"), 5
    )
    lake, query = (
        lakebatch.open_lake(folder / "small"),
        "SELECT level, avg(r2) FROM {} GROUP BY level ORDER BY level",
    )
    view, scan = query.format("benchmark.results"), query.format(f"delta_scan('{stored.results.uri}')")
    if connection := with_delta_extension():
        yield Comparison(
            f"aggregate in SQL, {count:,} assemblies",
            "DuckDB's delta extension",
            lambda: lake.sql(view),
            lambda: connection.execute(scan).pl(),
            1,
        )


def concatenated(folder: Path) -> object:
    """Return the rows as scripts of today put them together."""
    import pandas as pd

    return pd.concat([pickle.loads(file.read_bytes()) for file in sorted(folder.iterdir())])


def with_delta_extension() -> duckdb.DuckDBPyConnection | None:
    """Return a connection that has DuckDB's delta extension, if a package brings it."""
    try:
        import duckdb_extension_delta  # noqa: F401
        from duckdb_extensions import import_extension
    except ImportError:
        print(
            "DuckDB's delta extension is not installed: pip install duckdb-extension-delta", file=sys.stderr
        )
        return None
    connection = duckdb.connect()
    import_extension("delta", con=connection)
    return connection


def large(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of a large lake with a small one, and with a very small one."""
    lakes = {"tiny": 100, "small": arguments.small, "large": arguments.large}
    stored = {}
    for name, count in lakes.items():
        stored[name] = stored_in(folder / name)
        fill(stored[name], count)
    few, some, many = (stored[name] for name in lakes)
    sizes = [f"{count:,}" for count in lakes.values()]
    ratio = 12 * arguments.large / (10 * arguments.small)
    yield Comparison(f"re-assembly of {sizes[2]}", f"of {sizes[1]}", many.reassemble, some.reassemble, ratio)
    for what, call in ONE.items():
        yield Comparison(
            f"{what}, {sizes[2]} assemblies", f"{sizes[0]}", lambda c=call: c(many), lambda c=call: c(few), 3
        )
    status = [[LAKEBATCH, "--lake", str(folder / name), "status", NAME] for name in ("large", "tiny")]
    yield Comparison(
        f"status, {sizes[2]} assemblies", f"{sizes[0]}", lambda: run(*status[0]), lambda: run(*status[1]), 3
    )


def one_assembly(stored: object) -> pl.DataFrame:
    """Return the rows of the assembly in the middle."""
    ids = stored.assemblies()["assembly_id"]
    return stored.snapshot().scan_one(ids[len(ids) // 2]).collect()


def past_version(stored: object) -> pl.DataFrame:
    """Return the rows of an early version."""
    return stored.reassemble(version=60, on_gap="ignore")


ONE = {"one assembly": one_assembly, "a past version": past_version}


def writing(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparison of an append late and early in the life of a table."""
    old, young = stored_in(folder / "old"), stored_in(folder / "young")
    write_one(young, results_of(ROWS, 0))
    frame = results_of(ROWS, 1)
    late, early = appender(old, frame), appender(young, frame)
    for _ in range(5_000):
        late()
    for _ in range(50):
        early()
    yield Comparison("append, commit 5,000", "commit 50", late, early, 1.5)


def appender(stored: object, frame: pl.DataFrame) -> Call:
    """Return a call that appends one more part."""
    started = stored.log.start(Plan({}, ("p",), 1, None, (), "0.1.0", {}), stored.results.version())
    writer, count = PartWriter(stored.results, started.assembly_id, {}, is_new=True), [0]

    def append() -> None:
        count[0] += 1
        writer.append(f"part={count[0]}", frame, datetime.now(UTC))

    return append


def at_once(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparison of many writers to one table with one."""
    lakes = (folder / f"at-once-{number}" for number in range(1_000))
    yield Comparison(
        "320 appends to one table, 16 writers",
        "one writer",
        lambda: appended(next(lakes), 16, 20),
        lambda: appended(next(lakes), 1, 320),
        1,
    )


def appended(lake: Path, writers: int, appends: int) -> float:
    """Return how long so many processes take to append so often each, from when all are ready."""
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
    began = time.perf_counter()
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [line.readline() for line in lines] == ["done\n"] * writers
    seconds = time.perf_counter() - began
    for process in started:
        process.communicate()
    rows = stored_in(lake).results.at().scan().select(pl.len()).collect().item()
    assert rows == ROWS * writers * (appends + 1), rows
    return seconds


def tracking(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of the metrics of all runs as a table with what experiment trackers take for it."""
    count = arguments.small
    fill(stored_in(folder / "small"), count)
    lake = lakebatch.open_lake(folder / "small")
    for name, tracked in (
        ("MLflow's search_runs on SQLite", mlflow_runs),
        ("signac's to_dataframe", signac_jobs),
    ):
        try:
            theirs = tracked(folder, count)
        except ImportError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        assert len(theirs()) == lake.sql(METRICS).height == count
        yield Comparison(f"metrics of {count:,} runs", name, lambda: lake.sql(METRICS), theirs, 1)


def mlflow_runs(folder: Path, count: int) -> Callable[[], list[object]]:
    """Return a call that reads as many runs, three metrics each, from MLflow's SQLite store."""
    import mlflow
    from mlflow.entities import Metric

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("benchmark")
    for number in range(count):
        run_id = client.create_run(experiment).info.run_id
        metrics = [Metric(name, number / count, 0, 0) for name in ("mse", "r2", "pearson_r")]
        client.log_batch(run_id, metrics)
        client.set_terminated(run_id)
    return lambda: mlflow.search_runs([experiment], max_results=count)


def signac_jobs(folder: Path, count: int) -> Callable[[], list[object]]:
    """Return a call that reads as many jobs, three metrics each, from a signac project."""
    import signac

    (folder / "signac").mkdir()
    project = signac.init_project(folder / "signac")
    for number in range(count):
        job = project.open_job({"seed": number}).init()
        job.doc.update(mse=number / count, r2=number / count, pearson_r=number / count)
    return project.to_dataframe


def starting(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield how long commands take to start."""
    stored = stored_in(folder / "one")
    write_one(stored, results_of(ROWS, 0))
    bare = [sys.executable, "-c", "pass"]
    for words, seconds in ((["--help"], 0.15), (["--lake", str(folder / "one"), "status"], 0.6)):
        yield Comparison(
            f"lakebatch {words[-1]}",
            "python -c pass",
            lambda w=words: run(LAKEBATCH, *w),
            lambda: run(*bare),
            1,
            seconds,
        )


def run(*command: str | Path) -> None:
    """Carry out a command."""
    subprocess.run(command, check=True, capture_output=True)


GROUPS = {
    "starting": starting,
    "reading": reading,
    "tracking": tracking,
    "writing": writing,
    "at-once": at_once,
    "large": large,
}

if __name__ == "__main__":
    main()
