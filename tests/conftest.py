"""Fixtures of all tests: tables, small experiments, an empty lake, a lake with a study."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import host
import hypothesis
import polars as pl
import processes
import pytest

import lakebatch
from lakebatch import _text
from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.record import Plan
from lakebatch.experiment import registry
from lakebatch.storage import Storage
from lakebatch.storage.delta.schema import conform, load_schema
from lakebatch.storage.delta.table import Table

BEGINS = host.leave_out()
sys.dont_write_bytecode = False
"""Keep bytecode: tests start hundreds of processes, and each would compile all of lakebatch again."""
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")
"""The duration of an example depends on the load of the machine, not on the code."""
SESSION = pytest.StashKey[host.Session]()
LEFT = pytest.StashKey[list[str]]()
LONGEST_FIRST = (
    "project/test_docs.py",
    "executor/test_cluster.py",
    "s3/test_faults.py",
    "s3/test_s3.py",
    "cli/test_examples.py",
    "publication/test_publishing.py",
    "ui/test_export.py",
    "ui/test_walks.py",
    "s3",
    "project",
    "faults",
    "cli",
    "runner",
)
"""The slowest files, then folders with slow ones: started first, so that no processor is idle at the end."""
TOY = Path(__file__).with_name("toy_experiment.py")
STUDY = Path(__file__).with_name("study_experiment.py")


def pytest_configure(config: pytest.Config) -> None:
    """Record existing processes and files before the session, in the process that ends last."""
    if BEGINS:
        config.stash[SESSION] = host.Session()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if a process or a file in shared memory outlives the session, once all workers have ended."""
    if SESSION in session.config.stash and Path("/proc").is_dir():
        session.config.stash[LEFT] = session.config.stash[SESSION].end()
        if session.config.stash[LEFT]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the processes and files left behind."""
    for line in config.stash.get(LEFT, []):
        terminalreporter.write_line(line, red=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest files first."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}

    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return min(places.get(name, len(places)) for name in (f"{folder}/{item.path.name}", folder))

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def _one_worker_unless_asked() -> Iterator[None]:
    """Let runs use one process by default: the tests themselves use every processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        yield


@pytest.fixture(autouse=True, scope="module")
def _classes_forgotten() -> Iterator[None]:
    """Forget the classes that a file of tests gave as experiments, whose names the next file may use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_given", {})
        yield


@pytest.fixture(autouse=True, scope="session")
def _log_files_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the log files of runs out of this user's own folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test without the secrets registered by an earlier one, such as the key of a profile."""
    monkeypatch.setattr(_text, "_learned", {})


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of an experiment in the folder ``experiments`` of the working directory."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    shutil.copy(TOY, folder / "toy.py")
    monkeypatch.chdir(tmp_path)
    return "toy"


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a working directory with the slow experiment ``toy``."""
    folder = processes.make_working_directory(tmp_path / "work")
    monkeypatch.chdir(folder)
    monkeypatch.setenv(processes.COMPUTED, str(folder / "computed"))
    yield folder
    processes.kill_all()


@pytest.fixture
def lake(tmp_path: Path) -> lakebatch.Lake:
    """Return a lake in a folder that does not exist yet."""
    return lakebatch.open_lake(tmp_path / "lake")


@pytest.fixture(scope="session")
def template_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a lake to be copied: of ``toy`` two complete runs and one that failed, of ``other-toy`` one."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "experiments").mkdir()
    text = TOY.read_text()
    (folder / "experiments" / "toy.py").write_text(text)
    other = text.replace('name = "toy"', 'name = "other-toy"').replace('"90"', '"91"')
    (folder / "experiments" / "other_toy.py").write_text(other)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # no merging, so that each part has its own file
        patch.setattr("lakebatch.maintenance.optimize.compact_assembly", lambda *_: None)
        lake = lakebatch.open_lake(folder / "lake")
        for name, settings in (("toy", ()), ("toy", ()), ("toy", ["fail=[0.1]"]), ("other-toy", ())):
            lakebatch.run(lake, name, jobs=1, settings=settings)
    return folder


@pytest.fixture
def copied_lake(template_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> lakebatch.Lake:
    """Return a copy of that lake to damage, with its experiments in the working directory."""
    shutil.copytree(template_lake, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return lakebatch.open_lake(tmp_path / "lake")


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the experiment ``study`` and a lake of four assemblies; to be read only.

    Two are whole, one lacks the baseline, one failed at its last level.
    """
    folder = tmp_path_factory.mktemp("study")
    (folder / "experiments").mkdir()
    shutil.copy(STUDY, folder / "experiments" / "study.py")
    with contextlib.chdir(folder):
        lake = lakebatch.open_lake("lake")
        for settings in ([], [], ["levels=[0.1, 0.3]"], ["fail=[0.3]", "fault='no | convergence'"]):
            lakebatch.run(lake, "study", jobs=1, settings=settings)
    return folder


@pytest.fixture
def study(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> lakebatch.Lake:
    """Return the lake with the study; its folder is the working directory."""
    monkeypatch.chdir(study_folder)
    return lakebatch.open_lake(study_folder / "lake")


GATE = """
import time
from pathlib import Path
Path("ready{number}").touch()
while not Path("go").exists():
    time.sleep(0.005)
"""


class ToySchema:
    """Ids, schema and other names used by many tests."""

    folder = "90_v1_toy"
    assembly_id = "20261123_142230_run001"
    at = datetime(2026, 11, 23, 14, 22, 31, tzinfo=UTC)


@pytest.fixture
def open_table(tmp_path):
    """Return a function that opens a table of the lake again, as another process would."""
    return lambda name="results": Table(Storage(str(tmp_path / "lake")), ToySchema.folder, load_schema(name))


@pytest.fixture
def results(open_table):
    """Return an empty table of results."""
    table = open_table()
    table.ensure()
    return table


@pytest.fixture
def log(open_table):
    """Return an empty log of assemblies."""
    table = open_table("assemblies")
    table.ensure()
    return AssemblyLog(table)


@pytest.fixture
def frame():
    """Return rows of one part, including the columns filled in by lakebatch."""

    def build(part="p", rows=1, **columns):
        stamps = {"assembly_id": [ToySchema.assembly_id] * rows, "part": [part] * rows}
        times = pl.Series([ToySchema.at] * rows, dtype=pl.Datetime("us", "UTC"))
        given = {name: [value] * rows for name, value in columns.items()}
        return conform(pl.DataFrame({**stamps, "recorded_at": times, **given}), load_schema("results"))

    return build


@pytest.fixture
def plan():
    """Return a plan of two parts."""

    def build(**changes):
        fields = {
            "config": {"levels": [0.0, 0.1]},
            "parts": ("level=0", "level=0.1"),
            "base_seed": 42,
            "pinned_seed": None,
            "known_gaps": (),
            "code_version": "0.1.0",
            "environment": {},
        }
        return Plan(**(fields | changes))

    return build


@pytest.fixture
def run_together(tmp_path):
    """Return a function that runs scripts in separate processes, all started at one moment."""

    def run(imports: str, scripts: list[str]) -> list[str]:
        folder = tmp_path / "together"
        folder.mkdir()
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", imports + GATE.format(number=number) + script],
                cwd=folder,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number, script in enumerate(scripts)
        ]
        wait_for(lambda: len(list(folder.glob("ready*"))) == len(scripts), processes)
        (folder / "go").touch()
        outputs = [process.communicate(timeout=120)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * len(scripts)
        return outputs

    return run


def wait_for(condition, processes=(), seconds=60):
    """Wait until a condition holds; fail after a timeout or if a process ends first."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        assert all(process.poll() is None for process in processes), "a process ended too early"
        time.sleep(0.01)


@pytest.fixture
def wait_until():
    """Return `wait_for`."""
    return wait_for


@pytest.fixture
def names():
    """Return the names used by many tests."""
    return ToySchema


@pytest.fixture
def parquet_files(tmp_path):
    """Return a function that lists the data files of a table."""
    return lambda table: sorted(Path(table.uri).rglob("part-*.parquet"))


@pytest.fixture
def run(lake, toy):
    """Return a function that runs the toy in this process."""
    return lambda *settings: lakebatch.run(lake, toy, jobs=1, settings=settings)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives a folder to be copied, with a lake of the toy: a run for each list of settings."""

    @functools.cache
    def after(*runs: tuple[str, ...]) -> Path:
        folder = tmp_path_factory.mktemp("toy")
        (folder / "experiments").mkdir()
        shutil.copy(TOY, folder / "experiments" / "toy.py")
        with contextlib.chdir(folder):
            for settings in runs:
                lakebatch.run(lakebatch.open_lake(folder / "lake"), "toy", jobs=1, settings=settings)
        return folder

    return after


@pytest.fixture
def after_runs(toy_folder, toy, lake, tmp_path) -> Callable[..., lakebatch.Lake]:
    """Return a function that gives the lake after runs of the toy, which were made once and are copied."""

    def after(*runs: tuple[str, ...]) -> lakebatch.Lake:
        shutil.copytree(toy_folder(*runs), tmp_path, dirs_exist_ok=True)
        return lake

    return after


@pytest.fixture(scope="session")
def both_folder(toy_folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to be copied, with a lake of a run of version v1 of the toy and, after an edit, of one of v2."""
    folder = shutil.copytree(toy_folder(()), tmp_path_factory.mktemp("both"), dirs_exist_ok=True)
    file = folder / "experiments" / "toy.py"
    file.write_text(file.read_text().replace('version = "v1"', 'version = "v2"'))
    with contextlib.chdir(folder):
        lakebatch.run(lakebatch.open_lake(folder / "lake"), "toy", jobs=1, settings=["levels=[0]"])
    return folder


@pytest.fixture
def both(both_folder, toy, lake, tmp_path) -> lakebatch.Lake:
    """Return a copy of that lake: nine rows of three levels of v1, three rows of one level of v2."""
    shutil.copytree(both_folder, tmp_path, dirs_exist_ok=True)
    return lake


@pytest.fixture
def filled(after_runs) -> lakebatch.Lake:
    """Return a lake with one complete run of the toy: nine rows, of three levels."""
    return after_runs(())


@pytest.fixture
def stored(after_runs, toy):
    """Return the toy after one complete run."""
    return after_runs(())[toy]
