"""Exit codes: 2 for what does not exist, 1 for what cannot be done."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from lakebatch.cli import main

NEVER = "20260101_000000_run099"


def command(lake, *words):
    return CliRunner().invoke(main, ["--lake", str(lake.storage.uri), *words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["status", "toy", "123"], "'123' is not an assembly id"),
        (["status", "toy", NEVER], f"There is no assembly {NEVER}"),
        (["verify", "toy", "nope"], "'nope' is not an assembly id"),
        (["resume", "toy", "nope"], "'nope' is not an assembly id"),
        (["discard", "toy", "nope", "--reason", "x"], "'nope' is not an assembly id"),
        (
            ["import-legacy", "response-noise", "/nosuch"],
            "Cannot read the folder /nosuch: No such file or directory",
        ),
        (["status", "nope"], "There is nothing of 'nope'"),
        (["reassemble", "toy", "--tag", "nope"], "Unknown tag 'nope'"),
        (["reassemble", "toy", "--version", "999"], "There is no version 999"),
        (["reassemble", "toy", "--as-of", "2020"], "Nothing was recorded by 2020"),
    ],
)
def test_what_does_not_exist_is_wrong_usage(copied_lake, words, message):
    done = command(copied_lake, *words)
    assert done.exit_code == 2, done.output
    assert message in done.stderr


def test_empty_lake_of_an_unset_variable_is_wrong_usage():
    done = CliRunner().invoke(main, ["--lake", "", "status"])
    assert done.exit_code == 2
    assert "it is empty. Expected a folder or s3://bucket/prefix." in done.stderr


def test_assembly_in_the_wrong_state_is_an_error(copied_lake):
    (assembly_id, *_) = copied_lake["toy"].assemblies()["assembly_id"]
    done = command(copied_lake, "restore", "toy", assembly_id, "--reason", "x")
    assert done.exit_code == 1
    assert "is completed. Expected one that is discarded." in done.stderr


def test_restore_works_as_discard_prints_it(copied_lake, tmp_path, monkeypatch):
    monkeypatch.chdir(Path("/"))  # the printed command names the lake
    (assembly_id, *_) = copied_lake["toy"].assemblies()["assembly_id"]
    said = command(copied_lake, "discard", "toy", assembly_id, "--reason", "x").stderr
    printed = re.search("lakebatch (.*restore .*)", said)[1].split()
    done = CliRunner().invoke(main, printed)
    assert (done.exit_code, done.stderr) == (0, f"{assembly_id} is completed again.\n")
