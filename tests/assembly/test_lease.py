"""Leases: which processes on other machines are alive, judged by the storage's clock."""

from __future__ import annotations

import json
import logging
import os
import pickle
import threading
import time
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

import lakebatch
from lakebatch import _process as process
from lakebatch.assembly import lease
from lakebatch.assembly.lease import LEASE_TIMEOUT, hold
from lakebatch.assembly.record import choose_resumable
from lakebatch.assembly.workers import identity
from lakebatch.errors import AssemblyError, StorageError
from lakebatch.runner.assembly_run import Progress
from lakebatch.storage import Storage
from lakebatch.storage.local import LocalFolder

FOLDER = Path("lake", "90_v1_toy", "leases")
DAY = 24 * 3600.0


class AtFirstPart(Progress):
    """Progress hook: calls a function once, when the first part is in the table."""

    def __init__(self, act):
        self.act, self.parts = act, 0

    def part_committed(self, outcome, rows):
        self.parts += 1
        if self.parts == 1:
            self.act()


@pytest.fixture
def elsewhere(lake, toy, run, monkeypatch):
    """Return an assembly, and its lease, that a process works on in a container of the same host name."""
    failed = run("fail=[0.1]")
    log = lake[toy].log
    with hold(log.table.storage, lake[toy].folder) as name:
        with monkeypatch.context() as patch:
            patch.setattr(process, "namespace", lambda: "another boot pid:[4026532178]")
            environment = json.dumps({**json.loads(failed.environment), **identity(name)})
        log.record(failed, "started", pid=2**22 + 1, environment=environment)
        yield log.get(failed.assembly_id), FOLDER / name


def age(file: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(file, (at, at))


def test_run_renews_a_lease_that_its_record_names_and_removes_it(lake, toy, monkeypatch, wait_until):
    monkeypatch.setattr(lease, "RENEW_INTERVAL", 0.02)
    seen = []

    def look():
        (file,) = FOLDER.iterdir()
        age(file, 1000)
        wait_until(lambda: time.time() - file.stat().st_mtime < 500, seconds=10)
        (event,) = lake[toy].log.events().iter_rows(named=True)
        seen.append((file.name, json.loads(event["environment"])["lease"]))

    assert lakebatch.run(lake, toy, jobs=1, progress=AtFirstPart(look)).status == "completed"
    assert len(seen) == 1
    assert len(set(seen[0])) == 1
    assert list(FOLDER.iterdir()) == []
    assert "lease" not in {each.name for each in threading.enumerate()}


def test_each_shard_has_its_own_lease(lake, toy):
    from lakebatch.assembly.shards import Shard

    for index in (1, 2):
        shared = lakebatch.run(lake, toy, jobs=1, seed=7, shard=Shard(index, 3, "a"))
    members = json.loads(shared.environment)["shards"]["members"]
    assert len({each["lease"] for each in members.values()} - {None}) == 2


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, "started"), (LEASE_TIMEOUT - 5, "started"), (LEASE_TIMEOUT + 5, "interrupted"), (-DAY, "started")],
)
def test_process_elsewhere_is_judged_by_its_lease_and_not_by_its_pid(lake, toy, elsewhere, seconds, state):
    assembly, file = elsewhere
    assert assembly.host == process.host()
    age(file, seconds)
    assert lake[toy].status(assembly.assembly_id) == state
    assert lake[toy].assemblies()["status"].to_list() == [state]
    assert [each.present_status for each in lake[toy].log.latest()] == [state]


def test_clock_of_this_machine_does_not_matter(lake, toy, elsewhere, monkeypatch):
    assembly, file = elsewhere
    now = time.time
    for offset, seconds, state in ((25, 5, "started"), (-25, LEASE_TIMEOUT + 5, "interrupted")):
        age(file, seconds)
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda offset=offset: now() + offset * 3600)
            assert lake[toy].status(assembly.assembly_id) == state


def test_live_process_elsewhere_keeps_its_assembly(lake, toy, elsewhere):
    assembly, file = elsewhere
    age(file, 30)
    refusal = (
        rf"^{assembly.assembly_id} is being computed by process {assembly.pid} on {process.host()} since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Wait for it, or stop it; if it is gone, try again in [56]\d s\.$"
    )
    with pytest.raises(AssemblyError, match=refusal):
        lakebatch.resume(lake, toy, assembly.assembly_id, jobs=1)
    with pytest.raises(AssemblyError, match=r"Nothing to resume: .* counts as interrupted after 90 s"):
        lakebatch.resume(lake, toy, jobs=1)


def test_assembly_of_a_process_dead_elsewhere_is_resumed_without_an_id(lake, toy, elsewhere):
    assembly, file = elsewhere
    age(file, LEASE_TIMEOUT + 5)
    Path("mended").touch()
    resumed = lakebatch.resume(lake, toy, jobs=1)
    assert (resumed.assembly_id, resumed.status, resumed.rows) == (assembly.assembly_id, "completed", 9)


def test_missing_lease_means_a_dead_process(elsewhere, lake, toy):
    assembly, file = elsewhere
    file.unlink()
    assert choose_resumable(lake[toy].log.latest()).assembly_id == assembly.assembly_id


def test_process_in_unknown_state_counts_as_running_and_yields_to_resume_by_id(lake, toy, elsewhere, caplog):
    """Its clock went back by a day, or its lease is not readable."""
    assembly, file = elsewhere
    file.unlink()
    FOLDER.rmdir()
    FOLDER.touch()
    assert lake[toy].status(assembly.assembly_id) == "started"
    assert "Not a directory" in caplog.text
    Path("mended").touch()
    assert lakebatch.resume(lake, toy, assembly.assembly_id, jobs=1).status == "completed"


def test_run_without_a_writable_lease_warns_once_and_goes_on(lake, toy, run, caplog, monkeypatch):
    FOLDER.parent.mkdir(parents=True)
    FOLDER.touch()
    monkeypatch.setattr(lease, "RENEW_INTERVAL", 0.001)
    assembly = run()
    assert assembly.status == "completed"
    assert json.loads(assembly.environment)["lease"] is None
    (warned,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "Other machines may take this run for interrupted" in warned.getMessage()


def test_lease_lost_during_a_run_does_no_harm(lake, toy, caplog, monkeypatch, wait_until):
    monkeypatch.setattr(lease, "RENEW_INTERVAL", 0.001)

    def lose():
        (file,) = FOLDER.iterdir()
        while not file.is_dir():
            with suppress(FileExistsError):  # it is renewed all the time
                file.unlink()
                file.mkdir()
        wait_until(lambda: "Other machines may take" in caplog.text, seconds=10)
        time.sleep(0.05)

    assert lakebatch.run(lake, toy, jobs=1, progress=AtFirstPart(lose)).rows == 9
    (warned,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "Other machines may take this run for interrupted" in warned.getMessage()


def test_leases_are_not_read_for_processes_of_this_namespace(lake, toy, run, monkeypatch):
    failed = run("fail=[0.1]")
    lake[toy].log.record(failed, "started", pid=os.getpid())
    monkeypatch.setattr(LocalFolder, "ages", lambda *_: pytest.fail("leases were looked at"))
    assert lake[toy].status(failed.assembly_id) == "started"
    assert lake[toy].assemblies()["status"].to_list() == ["started"]


def test_forked_child_leaves_the_lease_to_its_parent(tmp_path):
    (tmp_path / "90_v1_toy").mkdir()
    parent = os.getpid()
    try:
        with hold(Storage(str(tmp_path)), "90_v1_toy") as name:
            if os.fork() == 0:
                raise KeyboardInterrupt
            os.wait()
            assert (tmp_path / "90_v1_toy" / "leases" / name).exists()
    finally:
        if os.getpid() != parent:
            os._exit(0)


def test_lease_is_not_written_through_a_link(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError, match=r"Cannot write .*/link"):
        Storage(str(tmp_path)).renew("link", b"lease")
    assert (tmp_path / "victim").read_text() == "precious"


def test_pickled_assembly_holds_no_settings_of_its_lake(lake, toy, run):
    run()
    (assembly,) = lake[toy].log.latest()
    copy = pickle.loads(pickle.dumps(assembly))  # noqa: S301
    assert copy == assembly
    assert copy.leases is None
    assert copy.state == "completed"


def test_only_old_leases_are_counted_and_removed(lake, toy, run):
    run()
    old, young, other = (FOLDER / name for name in ("0123456789abcdef", "123456789abcdef0", "notes.txt"))
    for file in (old, young, other):
        file.write_text("{}")
        age(file, 2 * DAY)
    age(young, DAY / 2)
    (counted,) = lake.usage().filter(table="leases").rows()
    assert counted == ("toy", "leases", None, 2, 0, 4)
    assert lake.vacuum().filter(table="leases").rows() == [("toy", "leases", 1, 2)]
    assert old.exists()
    lake.vacuum(dry_run=False)
    assert sorted(FOLDER.iterdir()) == [young, other]
    assert lake.doctor().filter(pl.col("severity") != "ok").is_empty()


def test_pids_are_not_checked_if_proc_shows_another_namespace(monkeypatch):
    own = process.start_token(os.getpid())
    monkeypatch.setattr(os, "readlink", lambda path: "1")
    assert process.start_token(os.getpid()) == own
    assert process.start_token(os.getppid()) is None
    assert process.is_alive(os.getppid(), "another boot:1")
