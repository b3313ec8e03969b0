"""How a lake grows: files, bytes, times and S3 requests at several sizes, to plan with.

Run it with ``python tests/benchmarks/planning.py [--sizes N ...] [--folder FOLDER]`` for lakes on disk (kept if in a
FOLDER), and with ``--s3`` for the requests of each operation, counted by a proxy in front of the S3 server that
``tests/s3/server.sh start`` has started and whose settings are in the environment.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean

from lakes import NAME, ROWS, fill, results_of, stored_in, write_one
from reading import one_assembly

import lakebatch
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import Plan
from lakebatch.lake.experiment import StoredExperiment

sys.path.append(str(Path(__file__).parents[1] / "s3"))
from fault_proxy import FaultProxy

SIZES = (100, 1_000, 10_000)
S3_SIZES = (10, 50)
RUNS, FIRST = 24, 9
EXPERIMENT = Path(__file__).parents[1] / "toy_experiment.py"
OPERATIONS: dict[str, Callable[[StoredExperiment], object]] = {
    "re-assembly": lambda stored: stored.reassemble(on_gap="refuse"),
    "one assembly": one_assembly,
    "past version": lambda stored: stored.reassemble(version=stored.results.version() // 2, on_gap="ignore"),
    "status": lambda stored: stored.assemblies(),
}
AGGREGATE = f"SELECT level, avg(r2) FROM {NAME}.results GROUP BY level"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--s3", action="store_true")
    arguments = parser.parse_args()
    if arguments.s3:
        count_requests(arguments.sizes or S3_SIZES)
        follow_runs()
        return
    with tempfile.TemporaryDirectory() as temporary:
        measure(Path(arguments.folder or temporary), arguments.sizes or SIZES)


def measure(folder: Path, sizes: list[int] | tuple[int, ...]) -> None:
    """Print content and read times of lakes on disk."""
    names = ["assemblies", "data files", "log files", "data MB", "log MB", "checkpoint MB"]
    names += [f"{name} s" for name in (*OPERATIONS, "append")]
    print("".join(f"{name:>15}" for name in names))
    for size in sizes:
        lake = folder / f"lake-{size}"
        fill(stored_in(lake), size)
        values = [size, *disk(lake), *read_seconds(lake), append_seconds(lake)]
        print("".join(f"{value:>15,}" if isinstance(value, int) else f"{value:>15,.3f}" for value in values))


def read_seconds(lake: Path) -> list[float]:
    """Return the seconds of each operation on a newly opened lake."""
    return [seconds(partial(_opened, call, lake)) for call in OPERATIONS.values()]


def _opened(call: Callable[[StoredExperiment], object], lake: Path | str) -> object:
    return call(lakebatch.open_lake(lake)[NAME])


def disk(lake: Path) -> list[float]:
    """Return the numbers and sizes of data and log files, and the size of the newest checkpoint, in MB."""
    files = [file for file in lake.rglob("*") if file.is_file()]
    log = [file for file in files if "_delta_log" in file.parts]
    data = [file for file in files if file not in set(log)]
    checkpoints = sorted(file for file in log if ".checkpoint" in file.name and "results" in file.parts)
    sizes = [sum(file.stat().st_size for file in each) / 1e6 for each in (data, log, checkpoints[-1:])]
    return [len(data), len(log), *sizes]


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds of a call, the fastest of three."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


def append_seconds(lake: Path) -> float:
    """Return the seconds of one more append by a process that has appended before."""
    stored = stored_in(lake)
    started = stored.log.start(Plan({}, ("p",), 1, None, (), "0.1.0", {}), stored.results.version())
    writer, frame = PartWriter(stored.results, started.assembly_id, {}, is_new=True), results_of(ROWS, 0)
    writer.append("first", frame, datetime.now(UTC))
    number = iter(range(1_000))
    taken = seconds(lambda: writer.append(f"part={next(number)}", frame, datetime.now(UTC)))
    stored.log.record(started, "discarded", note="written to measure")
    return taken


def count_requests(sizes: list[int] | tuple[int, ...]) -> None:
    """Print how many requests each operation sends to S3; another process sends them, this one counts."""
    with FaultProxy(os.environ["S3_ENDPOINT"]) as proxy:
        os.environ["S3_ENDPOINT"] = proxy.url
        for size in sizes:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
                print(f"{size:,} assemblies of one part and {ROWS} rows")
                for name in other.submit(prepare_on_s3, size).result():
                    before = len(proxy.passages)
                    other.submit(operate_on_s3, name).result()
                    methods = Counter(passage.method for passage in proxy.passages[before:])
                    counted = ", ".join(f"{count} {method}" for method, count in sorted(methods.items()))
                    print(f"  {name:<24}{counted}")


def follow_runs() -> None:
    """Print how many requests each of several runs of one part sends to S3, from the command to the prompt."""
    with FaultProxy(os.environ["S3_ENDPOINT"]) as proxy, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "experiments").mkdir()
        shutil.copy(EXPERIMENT, Path(folder) / "experiments" / "toy.py")
        lake = f"s3://{os.environ['S3_BUCKET_NAME']}/planning-{uuid.uuid4().hex}"
        command = [sys.executable, "-m", "lakebatch", "--lake", lake, "run", "toy", "--set", "levels=[0.1]"]
        environment = {**os.environ, "S3_ENDPOINT": proxy.url}
        counts = []
        for _ in range(RUNS):
            before = len(proxy.passages)
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            counts.append(len(proxy.passages) - before)
    later = counts[FIRST:]
    print(
        f"runs {FIRST + 1} to {RUNS} of one part: {min(later)} to {max(later)} requests, {fmean(later):.0f} in the mean"
    )


on_s3: dict[str, Callable[[], object]] = {}
"""Operations of the process that sends requests, by name."""


def prepare_on_s3(size: int) -> list[str]:
    """Write a lake and return the names of its operations."""
    uri = f"s3://{os.environ['S3_BUCKET_NAME']}/planning-{uuid.uuid4().hex}"
    fill(stored_in(uri), size)
    on_s3.update(operations_on_s3(uri))
    return list(on_s3)


def operate_on_s3(name: str) -> None:
    """Run one operation."""
    on_s3[name]()


def operations_on_s3(uri: str) -> dict[str, Callable[[], object]]:
    """Return the operations to count, each as in a new process, and a second re-assembly in the same process."""
    stored, notebook = stored_in(uri), lakebatch.open_lake(uri)
    started = stored.log.start(Plan({}, ("p",), 1, None, (), "0.1.0", {}), stored.results.version())
    writer, frame = PartWriter(stored.results, started.assembly_id, {}, is_new=True), results_of(ROWS, 0)
    writer.append("first", frame, datetime.now(UTC))
    stored.log.record(started, "discarded", note="written to measure")
    return {
        "append of a part": lambda: writer.append("second", frame, datetime.now(UTC)),
        "start, part and end": lambda: write_one(stored, frame),
        **{name: partial(_opened, call, uri) for name, call in OPERATIONS.items()},
        "aggregate in SQL": lambda: lakebatch.open_lake(uri).sql(AGGREGATE),
        "re-assembly": lambda: notebook[NAME].reassemble(on_gap="refuse"),
        "re-assembly again": lambda: notebook[NAME].reassemble(on_gap="refuse"),
    }


if __name__ == "__main__":
    main()
