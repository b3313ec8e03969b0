"""The wheel, installed alone in a fresh environment, runs the main job from any folder."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, cwd):
    done = subprocess.run([str(each) for each in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


def test_wheel_holds_one_top_level_package_and_all_its_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"lakebatch"}
    for folder, target, pattern in (
        ("lakebatch", "lakebatch", "**/*.py"),
        ("lakebatch", "lakebatch", "report/templates/*"),
        ("experiments", "lakebatch/experiments", "**/*.py"),
        ("experiments", "lakebatch/experiments", "**/*.toml"),
        ("experiments", "lakebatch/experiments", "models/*.ant"),
        ("schemas", "lakebatch/schemas", "*.toml"),
        ("queries", "lakebatch/queries", "*.sql"),
    ):
        files = [path for path in (ROOT / folder).glob(pattern) if path.is_file()]
        assert files
        missing = {f"{target}/{path.relative_to(ROOT / folder).as_posix()}" for path in files} - set(names)
        assert not missing


@pytest.mark.slow
def test_wheel_alone_runs_the_main_job_from_any_folder(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / "bin"
    run(binaries / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(binaries / "lakebatch", "run", "response-noise", "--preset", "smoke", cwd=elsewhere)
    answer = run(
        binaries / "lakebatch", "sql", "SELECT count(*) AS n FROM response_noise.results", "--format", "csv",
        cwd=elsewhere,
    )  # fmt: skip
    assert answer.split() == ["n", "150"]
