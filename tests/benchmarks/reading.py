"""Reading a lake: re-assembly, SQL and metrics, of a thousand assemblies and of ten thousand."""

# ruff: noqa: T201, S301 - only pickles written here are read
from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
from comparison import Comparison, Limit
from delta_extension import with_delta_extension
from lakes import BY_LEVEL, NAME, ROWS, filled, results_of
from processes import peak_bytes

import lakebatch
from lakebatch.lake.experiment import StoredExperiment

BYTES_A_ROW = 100
METRICS = ("mse", "r2", "pearson_r")
READ_ALL = f"""
import sys, lakebatch
stored = lakebatch.open_lake(sys.argv[1])[{NAME!r}]
if sys.argv[2:]:
    print(stored.reassemble(on_gap="refuse").estimated_size())
else:
    stored.snapshot().scan().head(0).collect()
"""


def reading(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of re-assembly and SQL with files of rows."""
    count = arguments.small
    stored = filled(folder, count)
    pickles, single = folder / "pickles", folder / "single.parquet"
    pickles.mkdir(exist_ok=True)
    for number in range(count):
        (pickles / f"{number}.pkl").write_bytes(pickle.dumps(results_of(ROWS, number).to_pandas()))
    stored.reassemble(on_gap="refuse").write_parquet(single)
    what = f"re-assembly, {count:,} x {ROWS} rows"
    yield Comparison(what, "pickle + concat", stored.reassemble, lambda: concatenated(pickles), 1 / 3)
    yield Comparison(what, "one Parquet file", stored.reassemble, lambda: pl.read_parquet(single), 5)
    lake = lakebatch.open_lake(folder / f"lake-{count}")
    with with_delta_extension(BY_LEVEL.format(f"delta_scan('{stored.results.uri}')")) as theirs:
        if theirs:
            ours = BY_LEVEL.format(f"{NAME}.results")
            what, extension = f"aggregate in SQL, {count:,} assemblies", "DuckDB's delta extension"
            yield Comparison(what, extension, lambda: lake.sql(ours), theirs, 1)


def concatenated(folder: Path) -> object:
    """Return the rows, concatenated as in a baseline script."""
    import pandas as pd

    return pd.concat([pickle.loads(file.read_bytes()) for file in sorted(folder.iterdir())])


def large(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison | Limit]:
    """Yield comparisons of a large lake with a small one, and with a very small one."""
    few, some, many = (filled(folder, count) for count in (100, arguments.small, arguments.large))
    size = f"{arguments.large:,}"
    ratio = 12 * arguments.large / (10 * arguments.small)
    yield Comparison(
        f"re-assembly of {size}", f"of {arguments.small:,}", many.reassemble, some.reassemble, ratio
    )
    rows = ROWS * arguments.large
    yield Limit(
        f"memory to re-assemble {size}, beside the rows", lambda: overhead(many, rows), BYTES_A_ROW, "B a row"
    )
    for what, call in ONE.items():
        yield Comparison(
            f"{what} out of {size}", "out of 100", lambda c=call: c(many), lambda c=call: c(few), 3
        )


def overhead(stored: StoredExperiment, rows: int) -> float:
    """Return the bytes per row of a re-assembling process, without the frame itself and the process's base memory."""
    lake = str(Path(stored.results.uri).parents[1])
    bare, _ = peak_bytes(sys.executable, "-c", READ_ALL, lake)
    most, size = peak_bytes(sys.executable, "-c", READ_ALL, lake, "all")
    return (most - bare - int(size)) / rows


def one_assembly(stored: StoredExperiment) -> pl.DataFrame:
    """Return the rows of the assembly in the middle."""
    pinned = stored.snapshot()
    ids = pinned.ids()
    return pinned.scan_one(ids[len(ids) // 2]).collect()


def past_version(stored: StoredExperiment) -> pl.DataFrame:
    """Return the rows of an early version."""
    return stored.reassemble(version=60, on_gap="ignore")


ONE = {"one assembly": one_assembly, "a past version": past_version}


def tracking(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of reading the metrics of all runs with experiment trackers."""
    count = arguments.small
    filled(folder, count)
    lake = lakebatch.open_lake(folder / f"lake-{count}")
    for name, tracked in (
        ("MLflow's search_runs on SQLite", mlflow_runs),
        ("signac's to_dataframe", signac_jobs),
    ):
        try:
            theirs = tracked(folder, count)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        assert len(theirs()) == metrics(lake).height == count
        yield Comparison(f"metrics of {count:,} runs, with polars", name, lambda: metrics(lake), theirs, 1)


def metrics(lake: lakebatch.Lake) -> pl.DataFrame:
    """Return the mean metrics of each run, the only values kept by the trackers."""
    return lake[NAME].scan().group_by("assembly_id").agg(pl.mean(*METRICS)).collect()


def mlflow_runs(folder: Path, count: int) -> Callable[[], list[object]]:
    """Return a call that reads the same number of runs, three metrics each, from MLflow's SQLite store."""
    import mlflow
    from mlflow.entities import Metric

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(f"benchmark {len(client.search_experiments())}")
    for number in range(count):
        run_id = client.create_run(experiment).info.run_id
        client.log_batch(run_id, [Metric(name, number / count, 0, 0) for name in METRICS])
        client.set_terminated(run_id)
    return lambda: mlflow.search_runs([experiment], max_results=count)


def signac_jobs(folder: Path, count: int) -> Callable[[], list[object]]:
    """Return a call that reads the same number of jobs, three metrics each, from a signac project."""
    import signac

    (folder / "signac").mkdir(exist_ok=True)
    project = signac.init_project(folder / "signac")
    for number in range(count):
        job = project.open_job({"seed": number}).init()
        job.doc.update(dict.fromkeys(METRICS, number / count))
    return project.to_dataframe
