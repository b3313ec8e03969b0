"""A cluster that the tests of this folder share, and a working directory whose experiment it can load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import RunningCluster, running_cluster

from lakebatch.executor.cluster import Cluster


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Start a cluster; a piece that takes two workers down with it is given up."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), {"ALLOWED_FAILURES": "1"}) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: RunningCluster) -> Cluster:
    """Return the executor that computes on it, when both workers are there."""
    running.client.wait_for_workers(2, timeout=60)
    running.computed.unlink(missing_ok=True)
    return Cluster(running.client)
