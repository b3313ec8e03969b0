"""Pages of a lake on S3: read with few requests, and none that writes."""

import subprocess
import sys

import pytest
from fault_proxy import FaultProxy

import lakebatch

MAX_REQUESTS = {"overview": 30, "assembly": 150, "assembly again": 130}
"""A page asks whether its tables have changed; the first of its kind also opens them."""
PAGES = """
import re, sys, lakebatch
from lakebatch.ui.links import Links
from lakebatch.ui.page_state import PageState
from lakebatch.ui.site import Site
site, links = Site(lakebatch.open_lake()), Links("/TOKEN/", PageState())
(assembly,) = set(re.findall(r'href="/TOKEN/(assembly/[^"]*)"', site.html([], links)))
for address in ("", assembly, assembly):
    print("ready", flush=True)
    sys.stdin.readline()
    print(len(site.html(address.split("/"), links)), flush=True)
"""
"""Makes pages in a process of its own: the engine would keep a proxy in its own process from answering."""


class CountingProxy(FaultProxy):
    """A proxy without faults that keeps the methods of requests."""

    def __init__(self, endpoint):
        super().__init__(endpoint)
        self.methods = []

    def choose(self, method, path):
        self.methods.append(method)
        return super().choose(method, path)


@pytest.mark.slow
def test_pages_of_a_lake_on_s3_take_few_requests_and_write_nothing(s3_lake, monkeypatch):
    lakebatch.run(lakebatch.open_lake(), "toy", jobs=1, settings=["pause=0"])
    counts = []
    with CountingProxy(s3_lake.server.settings["S3_ENDPOINT"]) as proxy:
        monkeypatch.setenv("S3_ENDPOINT", proxy.url)
        with subprocess.Popen(
            [sys.executable, "-c", PAGES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            for _ in MAX_REQUESTS:
                assert process.stdout.readline() == "ready\n"
                before = len(proxy.methods)
                process.stdin.write("\n")
                process.stdin.flush()
                assert int(process.stdout.readline()) > 1000
                counts.append(len(proxy.methods) - before)
        assert process.returncode == 0
    assert set(proxy.methods) <= {"GET", "HEAD"}
    assert [count <= most for count, most in zip(counts, MAX_REQUESTS.values(), strict=True)] == [True] * 3, (
        counts
    )
