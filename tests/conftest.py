"""What the tests of the lake share: small experiments, an empty lake, a lake with a study in it."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import host
import hypothesis
import processes
import pytest

import lakebatch
from lakebatch import _secrets

BEGINS = host.leave_out()
sys.dont_write_bytecode = False
"""Tests start hundreds of processes, each of which would compile all of lakebatch once more."""
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")
"""How long an example takes says how busy the machine is, and nothing of the code."""
SESSION = pytest.StashKey[host.Session]()
LEFT = pytest.StashKey[list[str]]()
LONGEST_FIRST = ("project", "s3", "cluster", "faults", "cli", "contract")
"""Folders whose files take the longest: begun first, no processor waits for them in the end."""
TOY = Path(__file__).parent / "lake" / "toy_experiment.py"
STUDY = Path(__file__).parent / "study_experiment.py"


def pytest_configure(config: pytest.Config) -> None:
    """Note what is there before the session, in the process that ends last."""
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
    """Name what was left."""
    for line in config.stash.get(LEFT, []):
        terminalreporter.write_line(line, red=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first."""
    places = {folder: place for place, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(places)))


@pytest.fixture(autouse=True, scope="session")
def _one_worker_unless_asked() -> Iterator[None]:
    """Have runs that do not say otherwise use this process alone: the tests themselves fill the processors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        yield


@pytest.fixture(autouse=True, scope="session")
def _log_files_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the log files of runs out of this user's own folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each test begin without the secrets that an earlier one learned, such as the key of a profile."""
    monkeypatch.setattr(_secrets, "_learned", {})


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
        # as where files were not merged, so that each part has one of its own
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
    """Return the lake with the study, in whose folder the test runs."""
    monkeypatch.chdir(study_folder)
    return lakebatch.open_lake(study_folder / "lake")
