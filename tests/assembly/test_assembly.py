"""The states of an assembly, derived from its events."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from lakebatch import _process as process
from lakebatch import ids
from lakebatch.assembly import events as assembly_log
from lakebatch.assembly import seeds
from lakebatch.assembly.record import choose_resumable, latest
from lakebatch.errors import AssemblyError, UnknownNameError
from lakebatch.storage import Storage

START = """
import time
from lakebatch.assembly.record import Plan
from lakebatch.assembly.events import AssemblyLog
from lakebatch.storage.delta.table import Table
from lakebatch._process import start_token
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage import Storage
import os

log = AssemblyLog(Table(Storage({lake!r}), "90_v1_toy", load_schema("assemblies")))
plan = Plan(
    config={{}}, parts=("a",), base_seed=1, pinned_seed=None, known_gaps=(), code_version="0",
    environment={{"process_started": start_token(os.getpid())}},
)
"""


@pytest.fixture
def stored(tmp_path, open_table):
    """Return the experiment that the tables belong to."""
    from lakebatch.lake.experiment import StoredExperiment

    open_table("results").ensure()
    open_table("assemblies").ensure()
    return StoredExperiment(Storage(str(tmp_path / "lake")), "90_v1_toy")


@pytest.fixture
def worker(tmp_path):
    """Return a process that has started an assembly and works on it until it is killed."""
    script = (
        START.format(lake=str(tmp_path / "lake"))
        + "print(log.start(plan, 0).assembly_id, flush=True); time.sleep(99)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def test_start_records_the_whole_plan(log, plan):
    before = datetime.now(UTC)
    started = log.start(plan(known_gaps=("no baseline",)), 7)
    assert log.get(started.assembly_id) == started
    assert started.assembly_id == ids.assembly_id(started.at, 1)
    assert before <= started.at <= datetime.now(UTC)
    assert (started.run_number, started.event, started.status) == (1, 0, "started")
    assert (started.parts_planned, started.parts_done, started.rows, started.results_version) == (2, 0, 0, 7)
    assert started.parts == ("level=0", "level=0.1")
    assert started.known_gaps == ("no baseline",)
    assert started.config == '{"levels":[0.0,0.1]}'
    assert started.settings == {"levels": [0.0, 0.1]}
    assert started.config_hash == ids.content_hash(started.config)
    assert started.seed == seeds.replicate_seed(42, 1)
    assert (started.host, started.pid, started.error) == (process.host(), os.getpid(), None)


def test_seed_follows_the_run_number_unless_it_is_pinned(log, plan):
    drawn = [log.start(plan(), 0).seed for _ in range(2)]
    assert drawn == [seeds.replicate_seed(42, 1), seeds.replicate_seed(42, 2)]
    assert log.start(plan(pinned_seed=5), 0).seed == 5


def test_four_processes_that_start_five_each_take_twenty_numbers(tmp_path, log, run_together):
    script = "for _ in range(5):\n    print(log.start(plan, 0).run_number)\n"
    outputs = run_together(START.format(lake=str(tmp_path / "lake")), [script] * 4)
    taken = [int(line) for output in outputs for line in output.split()]
    assert sorted(taken) == list(range(1, 21))
    events = log.events()
    assert events["run_number"].to_list() == list(range(1, 21))
    assert events["assembly_id"].n_unique() == 20
    assert events["seed"].n_unique() == 20


def test_events_of_several_processes_are_numbered_in_sequence(log, plan, open_table):
    started = log.start(plan(), 0)
    other = assembly_log.AssemblyLog(open_table("assemblies"))
    log.record(started, "failed", parts_done=1, error="part b: it broke")
    other.record(started, "started", pid=os.getpid())
    ended = log.record(started, "completed", parts_done=2, rows=6, results_version=4)
    assert log.events()["event"].to_list() == [0, 1, 2, 3]
    assert log.events()["status"].to_list() == ["started", "failed", "started", "completed"]
    assert log.events()["error"].to_list() == [None, "part b: it broke", None, None]
    assert other.get(started.assembly_id) == ended
    assert log.start(plan(), 0).run_number == 2
    assert (ended.status, ended.parts_done, ended.rows, ended.results_version, ended.pid) == (
        "completed",
        2,
        6,
        4,
        None,
    )


def test_two_processes_that_record_at_once_lose_no_event(tmp_path, log, plan, run_together):
    started = log.start(plan(), 0)
    script = f'for _ in range(4):\n    log.record(log.get({started.assembly_id!r}), "failed", rows=1)\n'
    run_together(START.format(lake=str(tmp_path / "lake")), [script] * 3)
    assert log.events()["event"].to_list() == list(range(13))


@pytest.mark.parametrize("status", ["started", "failed", "discarded", "completed"])
def test_completed_assembly_stays_completed(log, plan, status):
    started = log.start(plan(), 0)
    completed = log.record(started, "completed", rows=6)
    assert log.record(started, status, rows=1) == completed
    assert log.get(started.assembly_id) == completed
    assert log.events().height == 2


def test_latest_event_follows_the_event_number_not_the_clock(log, plan, monkeypatch):
    started = log.start(plan(), 0)
    monkeypatch.setattr(assembly_log, "now", lambda: started.at - timedelta(hours=2))
    completed = log.record(started, "completed", rows=6)
    assert completed.at < started.at
    assert log.get(started.assembly_id).status == "completed"
    assert [each.status for each in latest(log.events().reverse())] == ["completed"]


def test_assembly_of_a_running_process_is_started(log, worker):
    assembly_id = worker.stdout.readline().strip()
    assert log.get(assembly_id).pid == worker.pid
    assert log.get(assembly_id).state == "running"


@pytest.mark.parametrize("reaped", [True, False])
def test_assembly_of_a_killed_process_is_interrupted(log, worker, wait_until, reaped):
    """Also for a zombie process, as in a container without an init."""
    assembly_id = worker.stdout.readline().strip()
    worker.kill()
    if reaped:
        worker.wait()
    wait_until(lambda: log.get(assembly_id).state == "interrupted", seconds=5)
    assert log.get(assembly_id).status == "started"


def test_assembly_of_a_reused_pid_is_interrupted(log, plan):
    started = log.start(plan(environment={"process_started": "another boot:1"}), 0)
    assert started.pid == os.getpid()
    assert started.state == "interrupted"
    again = log.start(plan(environment={"process_started": process.start_token(os.getpid())}), 0)
    assert again.state == "running"


def test_assembly_on_another_machine_is_assumed_to_run(log, plan, monkeypatch):
    monkeypatch.setattr(process, "host", lambda: "elsewhere")
    started = log.start(plan(environment={"process_started": "x"}), 0)
    monkeypatch.undo()
    assert log.get(started.assembly_id).host == "elsewhere"
    assert log.get(started.assembly_id).state == "running"


def test_released_assembly_is_interrupted(log, plan):
    started = log.start(plan(), 0)
    assert log.record(started, "started", parts_done=1).pid is None
    assert log.get(started.assembly_id).state == "interrupted"


def test_status_of_an_unknown_assembly_is_not_found(stored, plan):
    assert stored.status("20261123_142230_run001") == "not_found"
    started = stored.log.start(plan(), 0)
    assert stored.status("20261123_142230_run001") == "not_found"
    assert stored.status(started.assembly_id) == "started"
    with pytest.raises(
        UnknownNameError,
        match=r"There is no assembly 20261123_142230_run001. List them with: lakebatch status",
    ):
        stored.log.get("20261123_142230_run001")
    with pytest.raises(UnknownNameError, match="is not an assembly id"):
        stored.status("run001")


def test_newest_assembly_that_failed_or_was_interrupted_is_resumed(log, plan):
    interrupted, failed, completed, discarded = (log.start(plan(), 0) for _ in range(4))
    log.record(interrupted, "started")
    log.record(failed, "failed")
    log.record(completed, "completed")
    log.record(discarded, "discarded")
    assert choose_resumable(latest(log.events())).assembly_id == failed.assembly_id
    log.record(failed, "completed")
    assert choose_resumable(latest(log.events())).assembly_id == interrupted.assembly_id
    log.record(interrupted, "completed")
    with pytest.raises(AssemblyError, match="Nothing to resume: no assembly is interrupted or failed"):
        choose_resumable(latest(log.events()))
