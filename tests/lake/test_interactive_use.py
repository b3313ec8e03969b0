"""What a person at a prompt meets: completion, ``dir``, ``help``, type checks, and one keyword for each option."""

import pydoc
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from polars.testing import assert_frame_equal

import lakebatch
from lakebatch._public import INTERNAL
from lakebatch.analysis.plots import KINDS
from lakebatch.analysis.plots.options import Kind
from lakebatch.errors import ConfigError

ROOT = Path(__file__).parents[2]
CHECKED = [
    "__init__.py", "_public.py", "lake/lake.py", "lake/experiment.py", "lake/curation.py", "lake/arguments.py",
    "session/runs.py", "analysis/plots/options.py", "snapshot/selection.py", "snapshot/gaps.py", "assembly/record.py",
]  # fmt: skip
# modules whose types the script below needs; the others are skipped, which takes 2 s in place of 40 s
SCRIPT = """
import lakebatch
lake = lakebatch.open_lake("lake")
noise = lake["response-noise"]
noise.plot("levels", metric="r2", by="model", width=60).save("a.png")
noise.plot("levls")
noise.reassemble(include="completed", on_gap="ignore")
noise.reassemble(include="complete")
noise.reassemble(on_gap="refus")
noise.reassemble(verson=3)
state: str = noise.status("20261128_040704_run002")
rows: int = noise.status().height
lake.query("levels", experiment="response-noise")
lakebatch.run(lake, "response-noise", levels=[0, 0.2], overrides={"cohort.n_samples": 60})
"""


@pytest.fixture(scope="module")
def lake(study_folder):
    """Return the lake with the study; its folder is the working directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(study_folder)
        yield lakebatch.open_lake("lake")


@pytest.fixture(scope="module")
def held(lake):
    """Return an object of each class whose attributes a person completes, by name."""
    study = lake["study"]
    return {"lake": lake, "study": study, "pinned": study.snapshot(), "then": lake.snapshot()}


def completions(text, held, use_jedi):
    shell = InteractiveShell()
    shell.push(held)
    shell.Completer.use_jedi = use_jedi
    with provisionalcompleter():
        return {each.text.removeprefix(".") for each in shell.Completer.completions(text, len(text))}


@pytest.mark.parametrize("use_jedi", [False, True])
def test_keys_and_methods_are_completed_and_internals_are_not(held, use_jedi):
    for text in ('lake["', 'then["'):
        assert completions(text, held, use_jedi) == {"study"}, text
    assert completions("study.re", held, use_jedi) == {
        "reassemble", "reference", "repair", "replicates", "report", "restore",
    }  # fmt: skip
    for name in held:
        found = completions(f"{name}.", held, use_jedi)
        assert {"snapshot", "sql", "reassemble"} & found
        assert not found & INTERNAL


def test_internal_names_work_and_are_not_shown(held):
    works = {name for name in INTERNAL for each in held.values() if hasattr(each, name)}
    assert works == INTERNAL
    for each in held.values():
        assert not INTERNAL & set(dir(each))
        assert not INTERNAL & set(dir(type(each)))


def test_help_begins_with_the_main_functions_and_has_no_internals():
    text = pydoc.plain(pydoc.render_doc(lakebatch))
    first = text.partition("PACKAGE CONTENTS")[0]
    assert [
        name for name in ("open_lake", "run", "resume", "verify", "check") if f"`{name}`" not in first
    ] == []
    assert "noise.reassemble()" in first
    assert re.search(r"plot\(self, kind: Kind = 'levels', \*, width: float \| None = None, ", text)
    assert "claim_version" not in text
    assert "->" in text
    assert not re.search(r"-> ['\"]", text)


def test_type_checker_knows_closed_sets(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    files = [ROOT / "lakebatch" / each for each in CHECKED]
    options = ["--strict", "--config-file=", "--follow-imports=skip", "--cache-dir", tmp_path / "cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *files, script], capture_output=True, text=True, cwd=ROOT
    )
    found = re.findall(r"script\.py:(\d+): error: .*(levls|'complete'|refus|verson)", done.stdout)
    assert found == [("6", "levls"), ("8", "'complete'"), ("9", "refus"), ("10", "verson")], done.stdout
    assert done.stdout.count("script.py:") - done.stdout.count("note: ") == 4


def test_kinds_for_type_checkers_are_those_that_exist():
    assert set(get_args(Kind)) == set(KINDS)


def test_parameters_of_a_query_are_keywords(lake):
    given = lake.query("levels", {"experiment": "study", "metric": "r2"}, on_gap="ignore", on_mix="ignore")
    keywords = lake.query("levels", experiment="study", metric="r2", on_gap="ignore", on_mix="ignore")
    assert_frame_equal(keywords, given)
    then = lake.snapshot(on_mix="ignore")
    assert_frame_equal(then.query("levels", {"metric": "r2"}, experiment="study", on_gap="ignore"), given)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"experimnt": "study"}, TypeError, "'experimnt'. Did you mean 'experiment'"),
        ({"verson": 3}, TypeError, "'verson'. Did you mean 'version'"),
        ({}, ConfigError, r"needs experiment=VALUE \(--param experiment=VALUE\)"),
        (
            {"parameters": {"experiment": "a"}, "experiment": "b"},
            ConfigError,
            "'experiment' is a keyword and in",
        ),
    ],
)
def test_wrong_keyword_of_a_query_is_named(lake, given, error, message):
    with pytest.raises(error, match=message):
        lake.query("levels", on_gap="ignore", on_mix="ignore", **given)


def test_width_of_a_picture_is_a_keyword(lake):
    picture = lake["study"].plot(width=60, on_gap="ignore", on_mix="ignore")
    assert picture.figure().get_size_inches()[0] * 25.4 == pytest.approx(60)
    with pytest.raises(ConfigError, match=r"The width is '60'\. Expected mm, e\.g\. 89\."):
        lake["study"].plot(width="60", on_gap="ignore", on_mix="ignore")


def test_status_without_an_id_lists_every_assembly(lake):
    listed = lake["study"].status()
    assert listed["status"].to_list() == ["completed", "completed", "completed", "failed"]
    assert lake["study"].status(listed["assembly_id"][3]) == "failed"


def test_config_is_given_as_python_values(lake, tmp_path, monkeypatch):
    import numpy as np

    shutil.copytree("experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    fresh = lakebatch.open_lake("lake")
    given = [
        {"levels": np.array([0.0, 0.1]), "overrides": {"seed": np.int64(5)}},
        {"overrides": {"levels": (0, 0.1), "seed": 5}},
        {"set": {"levels": [0, 0.1], "seed": 5}},
    ]
    ended = [lakebatch.run(fresh, "study", jobs=1, **each) for each in given]
    assert {each.config for each in ended} == {ended[0].config}
    with pytest.raises(ConfigError, match=r"overrides is 'levels=0'\. Expected a mapping"):
        lakebatch.run(fresh, "study", overrides="levels=0")
