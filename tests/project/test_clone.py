"""A clone can be used in place, whichever lakebatch is installed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
TREE = ("lakebatch", "experiments", "queries", "schemas", ".gitignore", "pyproject.toml", "README.md")
SMALL = {"n_samples": 40, "n_reps": 2}
WITHOUT_INSTALLATION = (
    "import sys; sys.meta_path = [each for each in sys.meta_path if 'editable' not in f'{each}'.lower()]\n"
)
FILES = """
import lakebatch.schemas, lakebatch.queries, lakebatch.experiments.degradation
from lakebatch.storage.delta.schema import load_schema
assert load_schema("results")
for each in (lakebatch, lakebatch.schemas, lakebatch.queries, lakebatch.experiments.degradation):
    print(each.__file__)
"""
IN_A_WORKER = """
import inspect, pickle, sys
from loky import get_reusable_executor
import lakebatch.runner
from lakebatch.experiments.response_noise import ResponseNoise

assert pickle.loads(pickle.dumps(ResponseNoise)) is ResponseNoise
print(ResponseNoise.__module__)
print(inspect.getfile(ResponseNoise))
with get_reusable_executor(1) as executor:
    print(executor.submit(inspect.getfile, ResponseNoise).result())
files = [each.__file__ for each in list(sys.modules.values()) if getattr(each, "__file__", None)]
print(sorted({each for each in files if files.count(each) > 1 and "lakebatch" in each}))
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Return a copy of the source tree that is not installed."""
    folder = tmp_path_factory.mktemp("lakebatch-clone")
    for name in TREE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def run(folder, *arguments, script=None):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, input=script, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def files_of(folder):
    packages = ("lakebatch", "schemas", "queries", "experiments/degradation")
    return [str(folder / each / "__init__.py") for each in packages]


@pytest.mark.parametrize("before", ["", WITHOUT_INSTALLATION], ids=["another installed", "none installed"])
def test_clone_is_imported_completely_by_a_command_and_from_standard_input(clone, before):
    assert run(clone, "-c", before + FILES) == files_of(clone)
    assert run(clone, script=before + FILES) == files_of(clone)


def test_clone_is_imported_completely_by_a_script_beside_it(clone, tmp_path):
    script = clone / "analysis.py"
    script.write_text(FILES)
    assert run(tmp_path, script) == files_of(clone)
    script.unlink()


def test_worker_process_loads_the_modules_of_the_clone_under_the_same_names(clone):
    module, here, in_worker, twice = run(clone, "-c", IN_A_WORKER)
    assert module == "lakebatch.experiments.response_noise"
    assert here == in_worker == str(clone / "experiments" / "response_noise.py")
    assert twice == "[]"


def test_command_line_is_a_module_of_the_clone(clone):
    script = f"{WITHOUT_INSTALLATION}import runpy; runpy.run_module('lakebatch', run_name='__main__')"
    assert any("response-noise" in line for line in run(clone, "-c", script, "list"))
    assert "python -m lakebatch" in run(clone, "-m", "lakebatch", "--help")[0]


def execute(notebook, folder):
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_notebook_in_the_root_imports_the_clone(clone):
    shown = execute(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FILES)]), clone)
    assert shown[0]["text"].splitlines() == files_of(clone)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_notebook_of_first_steps_runs_in_place_and_leaves_no_file(clone, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(clone))
    monkeypatch.delenv("LAKEBATCH_LAKE", raising=False)
    folder = clone / "experiments"
    preset = (
        folder / "presets" / "demo.toml"
    )  # smaller; tests/cli/test_init.py runs the notebook at full size
    preset.write_text(
        re.sub("(n_samples|n_reps) = .*", lambda key: f"{key[1]} = {SMALL[key[1]]}", preset.read_text())
    )
    git(clone, "init", "--quiet")
    git(clone, "add", "--all")
    shown = execute(nbformat.read(folder / "first-steps.ipynb", as_version=4), folder)
    assert not [each for each in shown if each.output_type == "stream" and each.name == "stderr"]
    assert {"image/svg+xml", "image/png"} & {kind for each in shown for kind in each.get("data", {})}
    assert (folder / "lake" / "03_v1_response-noise").is_dir()
    shown_by_git = git(clone, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert [line for line in shown_by_git if not line.startswith("A ")] == []


def test_benchmarks_run_from_any_folder(tmp_path):
    benchmarks = ROOT / "tests" / "benchmarks"
    lines = run(tmp_path, benchmarks, "starting", "--rounds", "1", "--folder", tmp_path / "lakes")
    assert sum("`lakebatch" in line for line in lines) == 2
