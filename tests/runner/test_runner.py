"""Runs: reproducible rows, and failures that affect only their part."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

import lakebatch
from lakebatch.errors import AssemblyError, ConfigError, ExperimentError, StorageError, UnknownNameError
from lakebatch.executor import local
from lakebatch.executor.base import DIED
from lakebatch.runner.assembly_run import Progress

VARYING = ("assembly_id", "recorded_at")


@pytest.fixture
def run(lake, toy):
    """Return a function that runs the toy, in this process by default."""
    return lambda *settings, jobs=1, seed=None: lakebatch.run(
        lake, toy, jobs=jobs, settings=settings, seed=seed
    )


def rows_of(lake, assembly):
    rows = (
        lake["toy"].scan(include=("completed", "failed", "started")).filter(assembly_id=assembly.assembly_id)
    )
    return rows.drop(VARYING).collect().sort("level", "repeat")


def written_parts(lake, assembly):
    """Return the parts of an assembly in the order of their commits."""
    commits = [commit.metadata for commit in lake["toy"].results.commits()]
    return [
        each["lakebatch.part"]
        for each in commits
        if each.get("lakebatch.assembly_id") == assembly.assembly_id
    ]


def test_run_commits_and_records_each_part_once(lake, run):
    assembly = run()
    assert (assembly.status, assembly.parts_done, assembly.rows, assembly.error) == ("completed", 3, 9, None)
    assert written_parts(lake, assembly) == ["level=0", "level=0.1", "level=0.2"]
    assert lake["toy"].status(assembly.assembly_id) == "completed"
    assert lake["toy"].folder == "90_v1_toy"
    assert assembly.results_version == lake["toy"].results.version()


def test_rows_do_not_depend_on_the_number_of_workers(lake, run):
    one, two = run(seed=7), run(seed=7, jobs=2)
    assert two.status == "completed"
    assert rows_of(lake, one).height == 9
    assert rows_of(lake, two).equals(rows_of(lake, one))


def test_rows_of_frames_in_pieces_equal_those_of_one_frame(lake, run):
    assert rows_of(lake, run(seed=7)).equals(rows_of(lake, run("at_once=true", seed=7)))


def test_rows_of_a_level_do_not_depend_on_the_other_levels(lake, run):
    few, many = run("levels=[0.1]", seed=7), run("levels=[0.2, 0.1, 0]", seed=7)
    assert rows_of(lake, few).equals(rows_of(lake, many).filter(level=0.1))


def test_each_run_is_a_new_replicate(lake, run):
    first, second = run(), run()
    assert first.seed != second.seed
    assert not set(rows_of(lake, first)["mse"]) & set(rows_of(lake, second)["mse"])
    assert rows_of(lake, first)["mse"].n_unique() == 9


@pytest.mark.parametrize("jobs", [1, 2])
def test_failed_part_is_recorded_and_the_others_go_on(lake, run, jobs):
    assembly = run("fail=[0.1]", jobs=jobs)
    assert assembly.status == "failed"
    assert assembly.error == "level=0.1: ValueError: level 0.1 is bad"
    assert (assembly.parts_done, assembly.rows) == (2, 6)
    assert sorted(written_parts(lake, assembly)) == ["level=0", "level=0.2"]


def test_resumed_run_computes_only_missing_parts_and_gives_the_same_rows(lake, toy, run):
    whole, failed = run(seed=7), run("fail=[0.0, 0.2]", seed=7)
    assert written_parts(lake, failed) == ["level=0.1"]
    Path("mended").touch()
    Path("computed").unlink()
    resumed = lakebatch.resume(lake, toy, jobs=1)
    assert Path("computed").read_text().split() == ["level=0", "level=0.2"]
    assert (resumed.assembly_id, resumed.status, resumed.error) == (failed.assembly_id, "completed", None)
    assert (resumed.parts_done, resumed.rows) == (3, 9)
    assert written_parts(lake, failed) == ["level=0.1", "level=0", "level=0.2"]
    assert rows_of(lake, resumed).equals(rows_of(lake, whole))


def test_resumed_run_that_fails_again_keeps_its_parts(lake, toy, run):
    failed = run("fail=[0.1, 0.2]")
    again = lakebatch.resume(lake, toy, failed.assembly_id, jobs=1)
    assert again.status == "failed"
    assert written_parts(lake, failed) == ["level=0"]
    assert again.error.count("is bad") == 2


def test_resume_of_a_completed_run_changes_nothing(lake, toy, run):
    assembly = run()
    version = lake["toy"].results.version()
    assert lakebatch.resume(lake, toy, assembly.assembly_id) == assembly
    assert lake["toy"].results.version() == version
    assert lake["toy"].history().height == 2


def test_killed_worker_fails_its_part_only(lake, run):
    assembly = run("die=[0.1]", jobs=2)
    assert assembly.status == "failed"
    assert assembly.error == f"level=0.1: {DIED}"
    assert sorted(written_parts(lake, assembly)) == ["level=0", "level=0.2"]


def test_no_worker_waits_while_a_part_is_committed(lake, toy, wait_until):
    """With two workers the third part begins when the first has ended, before the first is committed."""

    class Slow(Progress):
        def part_committed(self, outcome, rows):
            wait_until(lambda: len(Path("computed").read_text().split()) == 3)

    assert lakebatch.run(lake, toy, jobs=2, progress=Slow()).status == "completed"


def test_part_of_a_worker_killed_once_is_computed_again(lake, run):
    assembly = run("die_once=[0.1]", jobs=2, seed=7)
    assert Path("died").exists()
    assert (assembly.status, assembly.rows) == ("completed", 9)
    assert rows_of(lake, assembly).equals(rows_of(lake, run(seed=7)))


@pytest.mark.parametrize(
    ("breach", "fault"),
    [
        ("undeclared table", "ExperimentError: run() returned rows for samples. Its tables are results."),
        (
            "no frame",
            "ExperimentError: run() returned no row for 'results', in which each part must have one.",
        ),
        ("no row", "ExperimentError: run() returned no row for 'results', in which each part must have one."),
        ("nothing", "TypeError: 'NoneType' object is not iterable"),
        ("filled in here", "ExperimentError: run() returned the columns part, which are filled in here."),
        (
            "unknown column",
            "SchemaError: Cannot append to 'results': column 'colour' is not in schemas/results.toml",
        ),
        ("wrong type", "SchemaError: Cannot append to 'results': column 'level' is String"),
        ("not a number", "SchemaError: Cannot append to 'results': column 'r2' holds NaN or an infinity"),
        (
            "no reason",
            "SchemaError: Cannot append to 'results': column 'r2' is NULL in 2 rows in which 'error' says",
        ),
        (
            "constraint",
            "a constraint of schemas/results.toml fails: r2_at_most_one (r2 IS NULL OR r2 <= 1), with r2 = 1.5.",
        ),
        ("other columns", "ExperimentError: run() yielded frames of different columns"),
    ],
)
def test_part_that_breaks_the_contract_fails_only_itself(lake, run, breach, fault):
    assembly = run(f'breach="{breach}"')
    assert assembly.status == "failed"
    assert assembly.error.startswith("level=0.1: ")
    assert fault in assembly.error
    assert written_parts(lake, assembly) == ["level=0", "level=0.2"]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (
            "levels=[0.1, 0.2, 0.1]",
            r"toy.parts\(\) gives the key 'level=0.1' to two parts. Expected one part or more",
        ),
        ("levels=[]", r"toy.parts\(\) plans no part"),
    ],
)
def test_invalid_plan_is_refused_before_anything_is_written(run, tmp_path, settings, fault):
    with pytest.raises(ExperimentError, match=fault):
        run(settings)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("changes", "error", "fault"),
    [
        ({"jobs": 0}, ConfigError, "jobs is 0. Expected 1 or more worker processes"),
        ({"seed": -1}, ConfigError, "seed is -1. Expected 0 to 9223372036854775807"),
        ({"seed": 2**63}, ConfigError, "seed is 9223372036854775808"),
        ({"settings": ["sed=1"]}, ConfigError, "Unknown config key 'sed' .* Did you mean 'seed'"),
        ({"preset": "original"}, UnknownNameError, "Unknown preset 'original'"),
    ],
)
def test_run_that_cannot_be_started_is_refused_before_anything_is_written(
    lake, toy, tmp_path, changes, error, fault
):
    with pytest.raises(error, match=fault):
        lakebatch.run(lake, toy, **changes)
    assert not (tmp_path / "lake").exists()


def test_unwritable_lake_is_refused_before_anything_is_computed(toy, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write to the lake"):
        lakebatch.run(lakebatch.open_lake(tmp_path / "file" / "lake"), toy, jobs=1, settings=["wait=[0.0]"])
    assert not Path("waiting").exists()


def test_discarded_assembly_is_not_resumed(lake, toy, run):
    failed = run("fail=[0.1]")
    lake["toy"].log.record(failed, "discarded")
    with pytest.raises(AssemblyError, match=f"{failed.assembly_id} is discarded. Take it back first with"):
        lakebatch.resume(lake, toy, failed.assembly_id)


def test_running_assembly_is_not_resumed(lake, toy, run):
    failed = run("fail=[0.1]")
    lake["toy"].log.record(failed, "started", pid=os.getppid(), environment="{}")
    with pytest.raises(AssemblyError, match=f"is being computed by process {os.getppid()} on this machine"):
        lakebatch.resume(lake, toy, failed.assembly_id)


def test_assembly_with_another_plan_is_not_resumed(lake, toy, run):
    failed = run("fail=[0.1]")
    file = Path("experiments", "toy.py")
    file.write_text(file.read_text().replace('f"level={level:g}"', 'f"l{level:g}"'))
    del sys.modules["_experiments_toy"]
    with pytest.raises(AssemblyError, match=r"was planned by .* with other parts than this code plans"):
        lakebatch.resume(lake, toy, failed.assembly_id)


def test_progress_is_called_for_every_part(lake, toy):
    heard = []

    class Listener(Progress):
        """Records every call."""

        def started(self, assembly, done, work, counters):
            heard.append(("started", done))
            self.counters = counters

        def part_committed(self, outcome, rows):
            heard.append((outcome.part.key, rows, self.counters.total()))

        def part_failed(self, outcome):
            heard.append((outcome.part.key, outcome.error))

        def ended(self):
            heard.append("ended")

    lakebatch.run(lake, toy, jobs=1, settings=["fail=[0.1]"], progress=Listener())
    assert heard == [
        ("started", 0), ("level=0", 3, 3), ("level=0.1", "ValueError: level 0.1 is bad"), ("level=0.2", 3, 6), "ended",
    ]  # fmt: skip


@pytest.fixture
def command(toy, wait_until):
    """Return a command-line run of two workers that has committed level 0 and waits in level 0.2."""
    arguments = ["run", toy, "--jobs", "2", "--seed", "7", "--set", "wait=[0.2]"]
    with subprocess.Popen(
        [Path(sys.executable).parent / "lakebatch", "--lake", "lake", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as in a foreground job
    ) as process:
        lake = lakebatch.open_lake("lake")

        def committed():
            return Path("waiting").exists() and lake["toy"].results.at().scan().collect().height == 6

        wait_until(lambda: Path("waiting").exists() and committed(), [process])
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_run_is_interrupted_and_resumes_to_the_same_rows(lake, toy, run, command, wait_until, number):
    if number == signal.SIGINT:  # Ctrl-C reaches the workers too; a second one stops at once
        os.killpg(command.pid, number)
        time.sleep(1)
        os.killpg(command.pid, number)
    else:
        command.send_signal(number)
    _, said = command.communicate(timeout=30)
    if number != signal.SIGKILL:
        assert command.returncode == 130
        assert "Interrupted with 2 of 3 parts done. Continue with: lakebatch --lake lake resume toy " in said
        assert "Traceback" not in said
    [state] = lake["toy"].assemblies().rows(named=True)
    assert (state["status"], state["parts_done"], state["rows"]) == ("interrupted", 2, 6)
    wait_until(lambda: not workers_in(Path.cwd()), seconds=10)
    Path("mended").touch()
    resumed = lakebatch.resume(lake, toy, jobs=1)
    assert (resumed.assembly_id, resumed.status) == (state["assembly_id"], "completed")
    assert written_parts(lake, resumed)[2:] == ["level=0.2"]
    assert rows_of(lake, resumed).equals(rows_of(lake, run(seed=7)))


def workers_in(folder):
    """Return the worker processes that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder and "loky" in (process / "cmdline").read_text():
                found.append(process.name)
        except OSError:  # it has ended
            continue
    return found


def test_dataset_of_many_runs_is_consistent(lake, run):
    """Completed, failed and resumed runs together: every row belongs to a planned part, once."""
    for settings in (["fail=[0.1]"], ["levels=[0, 0.3]"], ["at_once=true"]):
        run(*settings)
    rows = lake["toy"].scan(include=("completed", "failed")).collect()
    keys = rows.group_by("assembly_id", "part", "repeat").len()
    assert keys["len"].max() == 1
    assert rows.group_by("assembly_id").len().sort("assembly_id")["len"].to_list() == [6, 6, 9]
    assert rows.filter(
        pl.col("part") != pl.format("level={}", pl.col("level").map_elements("{:g}".format, pl.String))
    ).is_empty()


def test_default_is_every_available_processor(monkeypatch):
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT")
    assert 1 <= local.default_jobs() <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert local.default_jobs() == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_the_start_of_a_worker_is_delayed_and_not_lost(number):
    """Also a signal received by another thread, which this thread's mask does not block."""
    heard = []
    before = signal.signal(number, lambda *_: heard.append(number))
    try:
        with local.hold_interrupts():
            thread = threading.Thread(target=os.kill, args=(os.getpid(), number))
            thread.start()
            thread.join()
            time.sleep(0.05)
            assert heard == []
        assert heard == [number]
    finally:
        signal.signal(number, before)
