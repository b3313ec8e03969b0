"""Shared by the tests of plots and reports: a small real cohort, and a lake whose strings contain markup."""

import contextlib
import shutil
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.analysis.report import Report
from lakebatch.cli.main import main

SMALL = ["cohort.n_samples=12", "levels=[0, 0.3]", "evaluation.n_reps=1", 'evaluation.models=["linear_regression"]',
         'evaluation.feature_sets=["initial"]', "spec.n_regs=2"]  # fmt: skip


@pytest.fixture(scope="session")
def cohort_lake(tmp_path_factory: pytest.TempPathFactory) -> lakebatch.Lake:
    """Return a lake with one small run of the built-in network; to be read only."""
    lake = lakebatch.open_lake(Path(tmp_path_factory.mktemp("cohort")) / "lake")
    lakebatch.run(lake, "response-noise", jobs=1, settings=SMALL)
    return lake


NASTY = '<script>alert(1)</script> & | `tick` **bold** [a](http://x.invalid) "quote" \''


@pytest.fixture(scope="session")
def nasty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a lake of three runs, with markup in configs and errors; to be read only."""
    folder = tmp_path_factory.mktemp("nasty")
    (folder / "experiments").mkdir()
    shutil.copy(Path(__file__).parents[1] / "study_experiment.py", folder / "experiments" / "study.py")
    (folder / "fault.txt").write_text(NASTY)
    with contextlib.chdir(folder):
        lake = lakebatch.open_lake("lake")
        for settings in ([], ["fault=file:fault.txt"], ["fault=file:fault.txt", "fail=[0.3]"]):
            lakebatch.run(lake, "study", jobs=1, settings=settings)
    return folder


@pytest.fixture(scope="session")
def nasty_report(nasty_folder: Path) -> Report:
    """Return the report of that lake."""
    with contextlib.chdir(nasty_folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lakebatch.open_lake("lake")["study"].report()


@pytest.fixture(scope="session")
def saved(nasty_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of that report, written by the command."""
    page = tmp_path_factory.mktemp("saved") / "reports" / "study report.html"
    with contextlib.chdir(nasty_folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = CliRunner().invoke(main, ["--lake", "lake", "report", "study", "-o", str(page)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        str(each) for each in (page, page.with_suffix(".md"), page.with_suffix(""))
    ]
    return page


@pytest.fixture
def nasty_text() -> str:
    """Return the string that contains markup."""
    return NASTY
