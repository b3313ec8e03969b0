"""Exit codes: 2 for what does not exist, 1 for what cannot be done."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import lakebatch
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


UNKNOWN = """
    run nope | run toy --preset nope | run toy --from nope | run toy --set nope=1 | run toy --config nope.toml
    run toy --sweep nope=1,2 | resume nope | resume toy nope | watch nope --once | status nope | status toy nope
    sweeps nope | sweeps toy nope | logs nope | logs toy nope | logs toy --part nope | logs toy --level NOPE
    reassemble nope | reassemble toy --assembly nope | reassemble toy --where nope=1 | reassemble toy --where levels=1
    reassemble toy --config 9 | reassemble toy --preset nope | reassemble toy --sweep nope | reassemble toy --table nope
    reassemble toy --include nope | artifacts nope | artifacts toy nope | dataset toy nope --level 0 --features last
    model toy nope --sample 0 -o x.xml | history nope | sql --query nope | sql --query levels --param experiment=nope
    sql --query levels --param nope=1 | sql --file nope.sql | sql --tag nope VALUES(1) | sql --also a=nope VALUES(1)
    sql FROM&nope.results | config nope | config toy --preset nope | plot nope | plot toy --metric nope -o x.png
    plot toy --by nope -o x.png | plot toy --kind nope -o x.png | plot toy --against nope -o x.png | report nope
    report toy --metric nope | tag nope x | tag toy x --version 999 | note nope 20260101_000000_run099 x | note toy nope x
    discard toy nope --reason x | restore toy nope --reason x | completeness nope | replicates nope | diff nope 1
    diff toy nope | verify toy nope | optimize nope | vacuum nope | purge toy nope --reason x | du nope | doctor nope
    repair nope | check nope | check toy --preset nope | import-legacy nope . | help nope | completion nope | nope
"""


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_every_unknown_name_is_wrong_usage_in_one_line(template_lake, monkeypatch):
    monkeypatch.chdir(template_lake)
    lake = lakebatch.open_lake(template_lake / "lake")
    asked = [words.strip() for line in UNKNOWN.strip().splitlines() for words in line.split(" | ")]
    for words in asked:
        done = command(lake, *(word.replace("&", " ") for word in words.split()))
        assert (done.exit_code, done.stdout) == (2, ""), (words, done.output, done.exception)
        last = [line for line in done.stderr.splitlines() if not line.startswith("Example: ")][-1]
        assert last.startswith("Error: "), (words, done.stderr)
        assert "nope" in last.lower() or "999" in last or "=1" in last or "config 9" in last, (words, last)
        assert "Known: none" not in last


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
