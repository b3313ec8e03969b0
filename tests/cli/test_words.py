"""Words that people type: each leads to the command that does what they mean."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from lakebatch.cli.main import main
from lakebatch.cli.words import ALIASES, MEANINGS
from lakebatch.runner import check

NEVER = "20260101_000000_run099"


def typed(*words):
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.stdout, done.stderr


def test_each_word_leads_to_a_command_that_exists():
    for word in MEANINGS:
        code, said, fault = typed("--lake", "elsewhere", word, "toy", "--all")
        assert (code, said) == (2, ""), word
        assert fault.startswith(f"Error: There is no command '{word}'. To "), fault
        assert fault.count("\n") == 1
        for command in re.findall(r"lakebatch --lake elsewhere ([\w-]+)", fault):
            assert command in main.commands or command == "--version", fault


def test_mistyped_command_leads_to_the_nearest():
    assert typed("stauts")[2] == (
        "Error: There is no command 'stauts'. Did you mean 'status'? List all with: lakebatch --help\n"
    )


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_is_the_command(alias):
    assert typed(alias, "--help") == typed(ALIASES[alias], "--help")
    assert f"\n  {alias} " not in typed("--help")[1]


def test_log_of_a_lake_needs_a_name_only_if_it_holds_several_experiments(copied_lake):
    assert typed("logs") == (
        2,
        "",
        "Error: Of which experiment? Expected a NAME, one of: toy, other-toy. E.g.: lakebatch logs toy\n",
    )
    newest = copied_lake["toy"].log.newest().assembly_id
    shutil.rmtree(Path(copied_lake.storage.uri) / "91_v1_other-toy")
    code, _, fault = typed("logs", "--level", "ERROR")
    assert code == 0
    assert f"The log of {newest} has no such record" in fault or "level 0.1 is bad" in typed("logs")[1]


def levels(*words):
    lines = typed("config", "response-noise", "--format", "csv", *words)[1].splitlines()
    (found,) = [line for line in lines if line.startswith("levels,")]
    return json.loads(found.split('"')[1])


def test_levels_are_separated_by_spaces_or_commas_and_set_takes_the_same():
    assert (
        levels("--levels", "0", "0.1") == levels("--levels", "0,0.1") == levels("--levels=0,0.1") == [0, 0.1]
    )
    assert levels("--levels", "0,", "0.1,0.2") == levels("--set", "levels=0,0.1,0.2") == [0, 0.1, 0.2]
    assert levels("--set", "levels=[0, 0.1]") == levels("--set", "levels=0, 0.1") == [0, 0.1]
    assert "Expected at most" in typed("config", "response-noise", "--set", "levels=99999999999999999999")[2]
    assert "not a valid float" in typed("config", "response-noise", "--levels", "0,a")[2]
    words = typed(
        "config", "response-noise", "--format", "csv", "--set", "evaluation.feature_sets=initial,last"
    )[1]
    assert '["initial", "last"]' in words.replace('""', '"')


def test_help_after_the_name_of_an_experiment_lists_its_presets():
    for command in ("run", "config", "check"):
        shown = typed(command, "response-noise", "--help")[1]
        assert "Presets of response-noise:\n" in shown
        assert re.search(r"\n  smoke +For tests of your own code", shown)
    assert "Presets of" not in typed("run", "--help")[1]


def test_check_takes_the_config_of_a_run(toy, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text("levels = [0.0, 0.4]\nfail = [0.4]\n")
    monkeypatch.setattr(check, "CHECKS", (check.check_pieces,))
    code, shown, fault = typed("check", "toy", "--config", "mine.toml")
    assert (code, fault) == (1, "Error: toy breaks 1 of 1 promises\n")
    assert "It raises ValueError: level 0.4 is bad." in shown
    assert typed("check", "toy", "--config", "mine.toml", "--levels", "0", "0.2")[::2] == (0, "")
