"""What a run does before its first rows: said where it runs, and by status and watch from anywhere else."""

import os
import re
import sys
import time

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from test_prompt import Terminal

import lakebatch
from lakebatch.assembly import lease
from lakebatch.assembly.lease import Leases, Note
from lakebatch.cli import progress
from lakebatch.cli.main import main
from lakebatch.executor import progress as phases
from lakebatch.executor.progress import PhaseFile
from lakebatch.experiment.phases import Phase, report_phase, reported_to
from lakebatch.runner.throughput import Throughput

SLOW = """        from lakebatch.experiment import report_phase

        for second in range(3600):
            report_phase("weighing planets", second, 3600)
            time.sleep(0.1)
            if Path("mended").exists():
                break
        return float(rng.normal())
"""


@pytest.fixture
def preparing(toy, tmp_path):
    """Make the experiment report phases in its preparation until the file 'mended' is there."""
    file = tmp_path / "experiments" / "toy.py"
    file.write_text(file.read_text().replace("        return float(rng.normal())\n", SLOW, 1))
    return tmp_path


def once(found, seconds=60):
    limit = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < limit
        time.sleep(0.05)
    return value


def test_phase_is_in_the_bar_and_in_status_until_the_first_rows(preparing, tmp_path):
    """A process that renews its lease often stands for one on another machine that renews it every 15 s."""
    often = "from lakebatch.assembly import lease; lease.RENEW_INTERVAL = 0.1; from lakebatch.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        often,
        "--lake",
        "lake",
        "run",
        "toy",
        "--jobs",
        "1",
        "--set",
        "wait=0.2",
    ]
    running = Terminal(tmp_path, command=command)

    def status(*words):
        return CliRunner().invoke(main, ["--lake", "lake", *words]).stdout

    try:
        running.wait_for(r"weighing planets: \d+ of 3,600, nothing committed yet, 0 failed")
        assert once(lambda: re.search(r"_run001: weighing planets: \d+ of 3,600\n", status("status")))
        assert "weighing planets" in status("watch", "--once")
        (tmp_path / "mended").touch()
        running.wait_for("1/3 level=0")
        (tmp_path / "mended").unlink()
        running.wait_for("2/3 level=0.1")
        assert once(lambda: re.search(r"_run001: 6 of 3 rows", status("status")))
        row = pl.read_csv(status("status", "--format", "csv").encode()).row(0, named=True)
        assert (row["phase"], row["progress"][:11]) == (None, "6 of 3 rows")
        assert 0 <= row["eta_seconds"] < 60
    finally:
        running.process.kill()
        running.process.wait()
        os.close(running.master)


def test_phase_that_lasts_is_one_line_in_a_pipe(preparing, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "PHASE_SECONDS", 0.2)
    lines = []

    class Counting:
        @staticmethod
        def total():
            return 0

        @staticmethod
        def phase():
            return Phase("weighing planets", len(lines), 3600)

    printing = progress.PhaseLines(Counting(), lines.append)
    once(lambda: lines)
    time.sleep(4 * progress.REFRESH_SECONDS)
    printing.stop()
    assert lines == ["weighing planets: 0 of 3,600 ..."]


def test_phase_of_the_living_process_that_is_furthest_is_shown(tmp_path):
    assert phases.current(tmp_path) is None
    own = PhaseFile(tmp_path)
    for phase in (Phase("loading"), Phase("simulating", 1, 9), Phase("simulating", 2, 9)):
        own.write(phase)
    assert phases.current(tmp_path) == Phase("simulating", 2, 9)
    (tmp_path / f"phase-{os.getppid()}").write_text('[1, "loading", null, null]')
    (tmp_path / f"phase-{2**22 + 1}").write_text('[9, "of a dead process", 1, 2]')
    (tmp_path / "phase-1").write_text("")
    assert phases.current(tmp_path) == Phase("simulating", 2, 9)


def test_experiment_says_what_it_does_and_no_row_depends_on_it():
    from lakebatch.experiments.virtual_cohort import CohortConfig, CohortModelConfig, generate_cohort

    config = CohortModelConfig(cohort=CohortConfig(n_samples=1002))
    said: list[Phase] = []
    with reported_to(said.append):
        watched = generate_cohort(config, np.random.default_rng(1))
    report_phase("nobody listens")
    simulated = [each for each in said if each.text.startswith("simulating")]
    assert [each.done for each in simulated][:: len(simulated) - 1] == [0, 1000]
    assert str(simulated[-1]) == "simulating 1,002 patients: 1,000 of 1,002"
    alone = generate_cohort(config, np.random.default_rng(1))
    assert np.array_equal(watched.time_courses.values, alone.time_courses.values)


def test_solver_is_said_to_be_compiled_only_when_it_is():
    import numba

    from lakebatch.experiments.virtual_cohort import simulation

    said: list[str] = []
    with reported_to(lambda phase: said.append(phase.text)):
        with simulation._reported(0, 5):
            numba.njit(lambda x: x + 1)(1)
        with simulation._reported(0, 5):
            pass
    simulating, compiling = "simulating 5 patients", "compiling the solver (only once)"
    assert said == [simulating, compiling, simulating, simulating]


def test_rate_and_time_left_count_from_the_first_finished_work():
    work = Throughput(110)
    work.record(0, 50.0)
    assert (work.has_begun, work.rate(50.0)) == (False, None)
    work.record(10, 90.0)
    assert work.seconds_left(91.0) is None
    work.record(30, 100.0)
    assert (work.rate(100.0), work.seconds_left(100.0)) == (2.0, 40.0)
    work.record(120, 110.0)
    assert work.seconds_left(110.0) == 0.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"phase": 1e999, "done": "x"}',
        b'{"done": [1]}',
        b'{"rate": NaN}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_lease_that_cannot_be_read_says_nothing(tmp_path, content):
    folder = tmp_path / "90_v1_toy" / "leases"
    folder.mkdir(parents=True)
    name = "0123456789abcdef"
    (folder / name).write_bytes(content)
    leases = Leases(lakebatch.open_lake(tmp_path).storage, "90_v1_toy")
    assert leases.note(name) is None
    assert leases.note("fedcba9876543210") is None
    assert leases.note("../../secret") is None


def test_lease_is_renewed_early_for_another_phase_or_the_first_rate_and_not_for_a_count(
    tmp_path, monkeypatch, wait_until
):
    monkeypatch.setattr(lease, "NEWS_INTERVAL", 0.02)
    (tmp_path / "90_v1_toy").mkdir()
    storage = lakebatch.open_lake(tmp_path).storage
    notes, note = lease.Notes(), Note("simulating: 1 of 9")
    notes.source = lambda: note
    with lease.hold(storage, "90_v1_toy", notes) as name:
        file = tmp_path / "90_v1_toy" / "leases" / name
        for note, is_news in (
            (Note("simulating: 2 of 9"), False),
            (Note("fitting"), True),
            (Note(done=1, total=9, unit="fits"), True),
            (Note(done=2, total=9, unit="fits"), False),
            (Note(done=3, total=9, unit="fits", rate=1.0, seconds_left=6.0), True),
        ):
            if is_news:
                wait_until(lambda: Leases(storage, "90_v1_toy").note(name) == note, seconds=10)  # noqa: B023
            else:
                before = file.stat().st_mtime_ns
                time.sleep(0.1)
                assert file.stat().st_mtime_ns == before


def test_lease_holds_the_newest_note(tmp_path, monkeypatch, wait_until):
    monkeypatch.setattr(lease, "RENEW_INTERVAL", 0.02)
    (tmp_path / "90_v1_toy").mkdir()
    storage = lakebatch.open_lake(tmp_path).storage
    notes = lease.Notes()
    note = Note(phase="red\x1b[31m " + "x" * 500)
    with lease.hold(storage, "90_v1_toy", notes) as name:
        assert Leases(storage, "90_v1_toy").note(name) is None
        notes.source = lambda: note
        wait_until(lambda: Leases(storage, "90_v1_toy").note(name) is not None, seconds=10)
        shown = Leases(storage, "90_v1_toy").note(name)
        assert shown.phase.startswith("red\\x1b[31m xxx")
        assert len(shown.phase) == lease.MAX_TEXT
        note = Note(done=5, total=20, unit="fits", rate=2.5, seconds_left=6.0)
        wait_until(lambda: Leases(storage, "90_v1_toy").note(name) == note, seconds=10)
        assert str(note) == "5 of 20 fits, 2.5 fits/s"
