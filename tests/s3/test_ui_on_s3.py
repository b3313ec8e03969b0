"""Pages of a lake on S3: read with few requests, and none that writes."""

import re

import pytest
from fault_proxy import FaultProxy

import lakebatch
from lakebatch.ui.links import Links
from lakebatch.ui.page_state import PageState
from lakebatch.ui.site import Site

MAX_REQUESTS = 60
"""For a page after the first; each asks whether its tables have changed."""


class CountingProxy(FaultProxy):
    """A proxy without faults that keeps the requests."""

    def __init__(self, endpoint):
        super().__init__(endpoint)
        self.asked = []

    def choose(self, method, path):
        self.asked.append((method, path))
        return super().choose(method, path)


@pytest.mark.filterwarnings("ignore:the S3 endpoint")
def test_pages_of_a_lake_on_s3_take_few_requests_and_write_nothing(s3_lake, monkeypatch):
    lakebatch.run(lakebatch.open_lake(), "toy", jobs=1, settings=["pause=0"])
    with CountingProxy(s3_lake.server.settings["S3_ENDPOINT"]) as proxy:
        monkeypatch.setenv("S3_ENDPOINT", proxy.url)
        site = Site(lakebatch.open_lake())
        links = Links("/TOKEN/", PageState())
        overview = site.html([], links)
        (steps,) = set(re.findall(r'href="/TOKEN/(assembly/[^"]*)"', overview))
        for page in ([], steps.split("/")):
            proxy.asked.clear()
            assert "20" in site.html(page, links)
            assert len(proxy.asked) <= MAX_REQUESTS, (page, len(proxy.asked))
            assert {method for method, _ in proxy.asked} <= {"GET", "HEAD"}
    assert s3_lake.server.secret not in overview
