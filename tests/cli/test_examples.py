"""The example at the end of each command's help, run on a lake as a new user would."""

import contextlib
import re
import shlex
import shutil

import click
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main

ASSEMBLY = re.compile(r"\d{8}_\d{6}_run\d{3}")
PRESET = [
    "--preset",
    "smoke",
    "--set",
    "cohort.n_samples=12",
    "--set",
    "evaluation.models=['linear_regression']",
]
SHORTER = {
    "run": [*PRESET, "--jobs", "1"],
    "check": [*PRESET, "--set", "levels=[0]", "--set", "evaluation.feature_sets=['initial']"],
    "verify": ["--jobs", "1"],
    "resume": ["--jobs", "1"],
}
"""Replacements that make an example fast enough for a test; the rest runs verbatim."""


@pytest.fixture(scope="session")
def studied(tmp_path_factory):
    """Return a folder with a lake that holds eight versions of response-noise, and a folder of the older layout."""
    folder = tmp_path_factory.mktemp("studied")
    with contextlib.chdir(folder):
        for _ in range(2):
            settings = PRESET[3::2]
            lakebatch.run(
                lakebatch.open_lake("lake"), "response-noise", preset="smoke", settings=settings, jobs=1
            )
        lakebatch.open_lake("lake")["response-noise"].tag("before")
    older = folder / "results" / "03_v1_batch-response-noise"
    older.mkdir(parents=True)
    (older / "assembly_list.csv").write_text("assembly_id,timestamp,status\n")
    return folder


def example(name):
    """Return the words of the example in the help of a command."""
    found = main.commands[name].epilog
    assert found, name
    return shlex.split(found.removeprefix("Example: "))


def prepared(name, words, lake):
    """Return the words with an existing assembly, after preparing the lake for the command."""
    if name == "purge":  # a tag needs those that are there
        lakebatch.run(lake, "response-noise", preset="smoke", settings=PRESET[3::2], jobs=1)
        known = lake["response-noise"].assemblies()["assembly_id"][-1]
        lake["response-noise"].discard(known, "to be purged")
        return [ASSEMBLY.sub(known, word) for word in words]
    known = lake["response-noise"].assemblies()["assembly_id"][0]
    if name == "restore":
        lake["response-noise"].discard(known, "to be restored")
    if name in ("diff", "publish", "reassemble") and "paper-v1" in words:
        lake["response-noise"].tag("paper-v1")
    if name == "import-published":
        lake["response-noise"].tag("paper-v1")
        lake["response-noise"].publish("paper-v1", words[-1], draft=True)
    return [ASSEMBLY.sub(known, word) for word in words]


@pytest.mark.filterwarnings("default")  # an example may read a version at which a run had not ended
@pytest.mark.parametrize("name", sorted(main.commands))
def test_example_in_the_help_works(name, studied, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(studied, folder)
    monkeypatch.chdir(folder)
    words = prepared(name, example(name), lakebatch.open_lake("lake"))
    assert words[:2] == ["lakebatch", name]
    done = CliRunner().invoke(main, [*words[1:], *SHORTER.get(name, [])])
    assert done.exit_code == 0, done.output
    if "-o" in words:
        assert (folder / words[words.index("-o") + 1]).stat().st_size


def test_every_help_ends_with_its_example():
    for name in main.commands:
        with click.Context(main) as context:
            assert main.get_command(context, name).epilog.startswith(f"Example: lakebatch {name}")
    assert CliRunner().invoke(main, ["run", "--help"]).output.rstrip().endswith("--jobs 2")
