"""Reading in forked processes."""

import multiprocessing
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

import lakebatch
from lakebatch.errors import ForkError, LakebatchError

SECONDS = 20
READ = {
    "lake": lambda lake, kept: lakebatch.open_lake(lake.storage.uri)["toy"].reassemble(),
    "same lake": lambda lake, kept: lake["toy"].reassemble(),
    "status": lambda lake, kept: lake["toy"].status("20260101_000000_run001"),
    "assemblies": lambda lake, kept: lake["toy"].assemblies(),
    "sql": lambda lake, kept: lake.sql("SELECT count(*) FROM toy.results"),
    "connect": lambda lake, kept: lake.connect(),
    "snapshot": lambda lake, kept: kept["snapshot"].reassemble(),
    "summary": lambda lake, kept: kept["snapshot"].completeness(),
    "overview": lambda lake, kept: kept["all"].sql("SELECT 1"),
    "rows": lambda lake, kept: kept["version"].scan().collect(),
    "scan": lambda lake, kept: lake["toy"].scan().collect(),
    "append": lambda lake, kept: kept["table"].mark({}),
    "run": lambda lake, kept: lakebatch.run(lake, "toy", jobs=1),
    "other lake": lambda lake, kept: lakebatch.run(lakebatch.open_lake("other"), "toy", jobs=1),
    "history": lambda lake, kept: lake["toy"].history(),
    "tag": lambda lake, kept: lake["toy"].tag("forked"),
    "usage": lambda lake, kept: lake.usage(),
    "source": lambda lake, kept: lake["toy"].source(kept["id"]),
    "discard": lambda lake, kept: lake["toy"].discard(kept["id"], "forked"),
    "replicates": lambda lake, kept: lake["toy"].replicates(),
    "missing metrics": lambda lake, kept: lake["toy"].missing_metrics(),
    "verify": lambda lake, kept: lakebatch.verify(lake, "toy", kept["id"]),
    "diff": lambda lake, kept: lake["toy"].diff(1, 2),
    "plot": lambda lake, kept: lake["toy"].plot("forked.png"),
    "report": lambda lake, kept: lake["toy"].report(),
    "optimize": lambda lake, kept: lake.optimize(),
    "vacuum": lambda lake, kept: lake.vacuum(),
    "doctor": lambda lake, kept: lake.doctor(),
    "deep doctor": lambda lake, kept: lake.doctor(deep=True, read_only=True),
    "repair": lambda lake, kept: lake.repair(),
    "begin": lambda lake, kept: kept["executor"].generate_assembly_id(0.5),
    "save": lambda lake, kept: kept["executor"].save_batch_data(pd.DataFrame({"x": [1.5]}), "more"),
}


def in_a_fork(call):
    """Return the error of a call in a forked child, as name and message, or an empty string; fail if it hangs."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # no way back into pytest from here
        signal.alarm(SECONDS)
        said = ""
        try:
            call()
        except BaseException as error:  # noqa: BLE001
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    assert not status, "the child hung" if status == signal.SIGALRM else status
    return said


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_child_forked_after_reading_gets_an_error_with_advice(lake, toy, run):
    run()
    executor = lakebatch.create_batch_executor("batch-toy", "90", lake=lake.storage.uri)
    executor.generate_assembly_id(0.25)
    executor.save_batch_data(pd.DataFrame({"x": [1.5]}), "frame")
    executor.mark_assembly_completed()
    executor.generate_assembly_id(0.25)
    stored = lake["toy"]
    snapshot = stored.snapshot()
    snapshot.reassemble()
    kept = {
        "snapshot": snapshot, "all": lake.snapshot(), "version": stored.results.at(), "table": stored.results,
        "executor": executor, "id": stored.assemblies()["assembly_id"][0],
    }  # fmt: skip
    for name, read in READ.items():
        said = in_a_fork(lambda read=read: read(lake, kept))
        assert said.startswith("ForkError: This process was forked from one that had used polars"), (
            name,
            said,
        )
        assert (
            "multiprocessing.get_context('spawn') or 'forkserver', or fork before anything is read." in said
        )
    assert stored.reassemble().height == 9


def _height(uri):
    return lakebatch.open_lake(uri)["toy"].reassemble().height


def test_pool_of_forked_processes_fails_with_the_same_error(lake, run):
    run()
    with multiprocessing.get_context("fork").Pool(1) as pool, pytest.raises(ForkError, match="get_context"):
        pool.apply_async(_height, (str(lake.storage.uri),)).get(SECONDS)
    assert issubclass(ForkError, LakebatchError)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("", "9"),
        ("lake.experiments()", "9"),
        ("pl.DataFrame({'a': [1, 2]}).filter(pl.col('a') > 1)", "ForkError"),
    ],
)
def test_fork_matters_only_after_a_computation(lake, run, before, said):
    run()
    script = f"""
import os, signal, lakebatch, lakebatch.errors, polars as pl
lake = lakebatch.open_lake({str(lake.storage.uri)!r})
{before}
if not os.fork():
    signal.alarm({SECONDS})
    try:
        print(lake["toy"].reassemble().height, flush=True)
    except lakebatch.errors.ForkError as error:
        print(type(error).__name__, flush=True)
    os._exit(0)
assert os.wait()[1] == 0
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == (said, 0), done.stderr
