"""Other engines on a lake that outgrows one machine: the same aggregate and the same export, with seconds and memory.

Run it with ``python tests/benchmarks/engines.py [--assemblies N] [--rows N] [--folder FOLDER] [--engines NAME ...]``; the
lake is kept in a FOLDER for the next time. With ``--s3`` the lake is on the server that ``tests/s3/server.sh start`` has
started and whose settings are in the environment. Each figure is one process: its whole time, the time of the query
alone, and its peak memory. Install the engines beside lakebatch: ``pip install pysail pyspark-client dask pandas``.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lakes import NAME, fill, stored_in
from processes import peak_bytes

import lakebatch
from lakebatch.cli.main import main as command_line
from lakebatch.lake.experiment import StoredExperiment

KEYS = ["model", "level"]
MEAN = "pearson_r"
KEPT: dict[str, Any] = {}
"""Objects that have to live until the process ends."""
AGGREGATE = (
    f"SELECT model, level, avg(pearson_r) AS pearson_r, count(*) AS n FROM {NAME}.results GROUP BY ALL"
)


def main() -> None:
    """Print one line per engine, source and task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assemblies", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=10_000, help="of each assembly")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(carried_out(*json.loads(arguments.only))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        lake = lake_of(arguments.assemblies, arguments.rows, folder, on_s3=arguments.s3)
        compare(lake, folder / "export", arguments.engines)


def lake_of(assemblies: int, rows: int, folder: Path, *, on_s3: bool) -> str:
    """Return the lake, written where it is missing, with its published table up to date."""
    name = f"engines-{assemblies}-{rows}"
    lake = f"s3://{os.environ['S3_BUCKET_NAME']}/{name}" if on_s3 else str(folder / name)
    stored = stored_in(lake)
    fill(stored, assemblies, rows)
    stored.optimize()
    print(f"{lake}: {assemblies * rows:,} rows of {assemblies:,} assemblies")
    return lake


def compare(lake: str, export: Path, engines: list[str]) -> None:
    """Measure each engine with each source and task, and check that all agree."""
    print(f"{'engine':<12}{'source':<12}{'task':<12}{'process s':>10}{'task s':>8}{'peak MiB':>10}")
    expected: Any = None
    for engine in engines:
        for source in SOURCES[engine]:
            for task in ("aggregate", "export"):
                shutil.rmtree(export, ignore_errors=True)
                began = time.perf_counter()
                asked = json.dumps([engine, source, task, lake, str(export)])
                peak, printed = peak_bytes(sys.executable, __file__, "--only", asked)
                whole = time.perf_counter() - began
                answer = json.loads(printed.splitlines()[-1])
                figures = f"{whole:>10.1f}{answer['seconds']:>8.1f}{peak / 2**20:>10,.0f}"
                print(f"{engine:<12}{source:<12}{task:<12}{figures}", flush=True)
                if task == "aggregate":
                    expected = expected or answer["result"]
                    assert answer["result"] == expected, (engine, source)
                else:
                    assert answer["result"] == sum(each[-1] for each in expected), (engine, source)


def carried_out(engine: str, source: str, task: str, lake: str, export: str) -> dict[str, Any]:
    """Return the result of a task and its seconds: the groups of the aggregate, or the number of exported rows."""
    stored = lakebatch.open_lake(lake)[NAME]
    os.environ.update(
        {name: str(value) for name, value in stored.storage.options.items() if name.startswith("AWS_")}
    )
    began = time.perf_counter()
    result = ENGINES[engine](lake, source, None if task == "aggregate" else export)
    seconds = time.perf_counter() - began
    if result is None:
        import pyarrow.dataset as ds

        return {"seconds": seconds, "result": ds.dataset(export).count_rows()}
    groups = sorted([model, round(level, 6), round(mean, 9), int(n)] for model, level, mean, n in result)
    return {"seconds": seconds, "result": groups}


def with_lakebatch(lake: str, source: str, export: str | None) -> list[Any] | None:
    """Use lakebatch alone."""
    if export is None:
        return list(lakebatch.open_lake(lake).sql(AGGREGATE).rows())
    Path(export).mkdir()
    file = str(Path(export, "rows.parquet"))
    command_line(["--lake", lake, "reassemble", NAME, "-o", file], standalone_mode=False)
    return None


def with_sail(lake: str, source: str, export: str | None) -> list[Any] | None:
    """Use Spark's API on Sail."""
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = KEPT.setdefault("server", SparkConnectServer())
    server.start(background=True)
    _, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://localhost:{port}").getOrCreate()
    stored = lakebatch.open_lake(lake)[NAME]
    if source == "published":
        rows = spark.read.format("delta").load(stored.storage.join(f"{stored.folder}/published"))
    else:
        rows = spark.read.parquet(*stored.snapshot().files().uris)
    if export is not None:
        rows.write.parquet(export)
        return None
    groups = rows.groupBy(*KEYS).agg({MEAN: "avg", "*": "count"}).collect()
    return [tuple(each) for each in groups]


def with_dask(lake: str, source: str, export: str | None) -> list[Any] | None:
    """Use frames of Dask."""
    import dask
    import dask.dataframe as dd

    dask.config.set({"dataframe.convert-string": False})
    stored = lakebatch.open_lake(lake)[NAME]
    if source == "published":
        files, system = files_of_published(stored)
        rows = dd.read_parquet(files, filesystem=system)
    else:
        rows = stored.snapshot().files().to_dask()
    if export is not None:
        rows.to_parquet(export)
        return None
    groups = rows.groupby(KEYS)[MEAN].agg(["mean", "count"]).compute().reset_index()
    return list(groups.itertuples(index=False, name=None))


def files_of_published(stored: StoredExperiment) -> tuple[list[str], Any]:
    """Return the paths of the published table's files, and the file system that has them."""
    import deltalake
    from pyarrow import fs

    options = dict(stored.storage.options)
    table = deltalake.DeltaTable(stored.storage.join(f"{stored.folder}/published"), storage_options=options)
    if stored.storage.is_local:
        return table.file_uris(), fs.LocalFileSystem()
    endpoint = options["AWS_ENDPOINT_URL"]
    scheme, _, host = endpoint.partition("://")
    system = fs.S3FileSystem(
        access_key=options.get("AWS_ACCESS_KEY_ID"),
        secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
        endpoint_override=host,
        scheme=scheme,
        region=options["AWS_REGION"],
    )
    return [each.removeprefix("s3://") for each in table.file_uris()], system


ENGINES: dict[str, Callable[[str, str, str | None], list[Any] | None]] = {
    "lakebatch": with_lakebatch,
    "sail": with_sail,
    "dask": with_dask,
}
SOURCES = {"lakebatch": ["results"], "sail": ["published", "files()"], "dask": ["published", "files()"]}


if __name__ == "__main__":
    main()
