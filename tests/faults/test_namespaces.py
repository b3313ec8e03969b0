"""Runs in containers: separate PID namespaces under the host name of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from namespace_rounds import NAMESPACE, is_possible
from processes import Command

import lakebatch
from lakebatch.errors import AssemblyError

SLOW = ("run", "toy", "--jobs", "2", "--seed", "1", "--set", "pause=1")


RENEW = """
import os, time
from pathlib import Path
from lakebatch.assembly import lease
from lakebatch.storage import Storage

lease.RENEW_INTERVAL = 0.1
with lease.hold(Storage(os.getcwd()), "91_v1_toy") as name:
    file = Path("91_v1_toy", "leases", name)
    os.utime(file, (0, 0))
    while file.stat().st_mtime == 0:
        time.sleep(0.05)
assert not file.exists()
"""

pytestmark = pytest.mark.skipif(not is_possible(), reason="one may not make PID namespaces here")


def in_container(folder: Path, *arguments: str, before: tuple[str, ...] = (), label: str) -> Command:
    """Start a command in a container that ends with it."""
    return Command(folder, *arguments, label=label, under=(*before, *NAMESPACE))


def lease_of(folder: Path) -> Path:
    (lease,) = (folder / "lake" / "91_v1_toy" / "leases").iterdir()
    return lease


def state(folder: Path) -> str:
    (found,) = lakebatch.open_lake(folder / "lake")["toy"].assemblies()["status"]
    return str(found)


def test_run_in_a_container_is_taken_over_only_when_it_is_dead(slow: Path) -> None:
    running = in_container(slow, *SLOW, label="run")
    running.wait_for_lines(3)
    assert running.process.poll() is None, running.err
    assert state(slow) == "started"
    lake = lakebatch.open_lake("lake")
    with pytest.raises(AssemblyError, match="Nothing to resume"):
        lakebatch.resume(lake, "toy", jobs=1)
    if faketime := shutil.which("faketime"):
        skewed = in_container(slow, "status", before=(faketime, "-f", "+25h"), label="skewed")
        assert skewed.wait() == 0
        assert "started" in skewed.out
    running.kill_group()
    assert state(slow) == "started"  # until the lease expires, the death is not visible

    long_ago = time.time() - 100
    os.utime(lease_of(slow), (long_ago, long_ago))
    assert state(slow) == "interrupted"
    assert lakebatch.resume(lake, "toy", jobs=2).status == "completed"
    rows = lake["toy"].reassemble(on_gap="refuse")
    assert rows.height == rows.select("part", "repeat").n_unique() == 24


def test_run_discarded_from_another_container_stops_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = in_container(folder, *SLOW, label="run")
    running.wait_for_lines(3)
    stored = lakebatch.open_lake(folder / "lake")["toy"]
    (assembly_id,) = stored.assemblies()["assembly_id"]
    stored.discard(assembly_id, "wrong dose")
    assert "was being computed by process 1 on " in caplog.text
    assert running.wait() == 1
    last = running.err.splitlines()[-1]
    assert last.startswith(f"Error: {assembly_id} was discarded meanwhile on ")
    assert last.endswith(f"lakebatch resume toy {assembly_id}")
    assert running.out == ""
    assert stored.history()["status"].to_list() == ["started", "discarded"]
    assert list((folder / "lake" / "91_v1_toy" / "leases").iterdir()) == []


def test_lease_is_renewed_with_a_wrong_clock_of_its_holder(tmp_path: Path) -> None:
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is not installed")
    (tmp_path / "91_v1_toy").mkdir()
    command = [faketime, "-f", "+25h", sys.executable, "-c", RENEW]
    assert subprocess.run(command, cwd=tmp_path, timeout=60).returncode == 0
