"""The published table on S3: other readers get the right rows, and a run needs few requests for it."""

import os
import subprocess
import sys

import deltalake
import polars as pl
import pytest
from fault_proxy import FaultProxy

import lakebatch
from lakebatch.storage import s3_options

MAX_REQUESTS = 45
"""Requests of one update, in a process that has just run the assembly."""
RUNS = """
import sys, time, lakebatch
from lakebatch.maintenance import published
update = published.bring_up_to_date
def timed(tables):
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    update(tables)
    print(time.perf_counter() - began, flush=True)
    sys.stdin.readline()
published.bring_up_to_date = timed
for _ in range(3):
    lakebatch.run(lakebatch.open_lake(), "toy", jobs=1, settings=["pause=0"], progress=False)
"""
"""Runs in a process of its own: the engine would keep a proxy in its own process from answering."""


class CountingProxy(FaultProxy):
    """A proxy without faults that counts requests."""

    def __init__(self, endpoint):
        super().__init__(endpoint)
        self.count = 0

    def choose(self, method, path):
        self.count += 1
        return super().choose(method, path)


@pytest.mark.slow
def test_published_table_on_s3_is_read_by_others_and_takes_few_requests(s3_lake, monkeypatch):
    counts, seconds = [], []
    with CountingProxy(s3_lake.server.settings["S3_ENDPOINT"]) as proxy, monkeypatch.context() as patch:
        patch.setenv("S3_ENDPOINT", proxy.url)
        with subprocess.Popen(
            [sys.executable, "-c", RUNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            for _ in range(3):
                assert process.stdout.readline() == "ready\n"
                before = proxy.count
                process.stdin.write("\n")
                process.stdin.flush()
                seconds.append(float(process.stdout.readline()))
                counts.append(proxy.count - before)
                process.stdin.write("\n")
                process.stdin.flush()
    print(f"{s3_lake.server.name}: requests {counts}, seconds {seconds}")  # noqa: T201
    assert max(counts) <= MAX_REQUESTS, counts
    options = s3_options(os.environ)
    table = deltalake.DeltaTable(f"{s3_lake.uri}/91_v1_toy/published", storage_options=options)
    expected = lakebatch.open_lake()["toy"].reassemble()
    rows = pl.from_arrow(table.to_pyarrow_table()).select(expected.columns)
    keys = ["assembly_id", "part", "repeat"]
    assert rows.sort(keys).equals(expected.sort(keys))
