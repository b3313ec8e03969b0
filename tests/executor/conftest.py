"""A cluster shared by the tests of this folder, and a working directory with an experiment that it can load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import RunningCluster, running_cluster

from lakebatch.executor.cluster import Cluster


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Start a cluster; a task that kills two workers is given up."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), {"ALLOWED_FAILURES": "1"}) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: RunningCluster) -> Cluster:
    """Return the executor of the cluster once both workers are connected."""
    running.client.wait_for_workers(2, timeout=60)
    running.computed.unlink(missing_ok=True)
    return Cluster(running.client)
