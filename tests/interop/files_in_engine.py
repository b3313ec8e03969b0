"""Rows of ``snapshot.files()`` in engines, as JSON: a process with lakebatch, and the packages of the engines behind it.

Arguments: the lake, the experiment, the table, the folder of the engines' packages, the engines.
"""

import contextlib
import json
import os
import site
import sys
import warnings

lake, name, table, packages, *engines = sys.argv[1:]
site.addsitedir(packages)  # behind those of lakebatch, which come first
os.environ["PYTHONPATH"] = packages  # for the processes that Ray starts

import lakebatch  # noqa: E402

warnings.simplefilter("ignore", lakebatch.errors.IncompleteWarning)


def rows_of(files, engine):
    """Return the rows as dictionaries."""
    match engine:
        case "ray":
            import ray

            ray.init(
                num_cpus=1, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False
            )
            return files.to_ray().take_all()
        case "daft":
            return files.to_daft().to_pylist()
        case "dask":
            return files.to_dask().compute(scheduler="sync").to_dict("records")
        case "pandas":
            return files.to_pandas().to_dict("records")
        case "duckdb":
            return files.to_duckdb().pl().to_dicts()
        case "arrow":
            return files.to_arrow_dataset().to_table().to_pylist()
        case _:
            raise SystemExit(f"no engine {engine}")


def plain(value):
    """Return lists in place of arrays, and times as strings."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


with contextlib.redirect_stdout(sys.stderr):
    files = lakebatch.open_lake(lake)[name].snapshot().files(table)
    found = {engine: rows_of(files, engine) for engine in engines}
out = json.dumps(found, default=plain)
sys.stdout.write(out)
sys.stdout.flush()
os._exit(0)  # some engines abort when Python takes their threads down
