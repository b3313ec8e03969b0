"""Rows without a metric are counted, with their reasons, wherever an assembly is shown."""

import json
import shutil

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main

QUIET = ("--on-gap", "ignore", "--on-mix", "ignore")
MISSING = "1 of 54 rows has no metric (forest: constant prediction)"


@pytest.fixture
def own_study(study_folder, tmp_path, monkeypatch):
    """Return a working directory with the experiment ``study`` and no lake."""
    shutil.copytree(study_folder / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def test_last_lines_of_a_run_name_rows_without_a_metric(own_study):
    done = invoke("-q", "run", "study", "--jobs", "1")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        f"Warning: {MISSING}.",
        "List them with: lakebatch sql --query failures --param experiment=study",
    ]


def test_fail_on_missing_ends_run_and_resume_with_code_3(own_study):
    assert invoke("run", "study", "--jobs", "1", "--fail-on-missing").exit_code == 3
    (assembly_id,) = lakebatch.open_lake("lake")["study"].assemblies()["assembly_id"]
    assert invoke("resume", "study", assembly_id, "--fail-on-missing").exit_code == 3
    assert invoke("resume", "study", assembly_id).exit_code == 0
    whole = invoke("run", "study", "--jobs", "1", "--levels", "0", "0.1", "--fail-on-missing")
    assert (whole.exit_code, "no metric" in whole.output) == (0, False)


def test_status_and_completeness_name_rows_without_a_metric(study):
    first = study["study"].assemblies()["assembly_id"][0]
    assert f"{first}: {MISSING}" in invoke("status").output.splitlines()
    assert f"{first}: {MISSING}" in invoke("completeness", "study").stderr.splitlines()
    rows = json.loads(invoke("status", "--format", "json").stdout)
    assert [row["without_metric"] for row in rows] == [1, 1, 1, 0]
    assert rows[0]["metric_errors"] == "forest: constant prediction"


def test_status_lists_at_most_five_assemblies_with_missing_metrics(own_study):
    lake = lakebatch.open_lake("lake")
    for _ in range(7):
        lakebatch.run(lake, "study", jobs=1, settings=["levels=[0, 0.3]"])
    lines = invoke("status").output.splitlines()
    assert sum("1 of 36 rows has no metric" in line for line in lines) == 5
    assert lines[-1].startswith("2 more assemblies have rows without a metric")


def test_captions_name_rows_without_a_metric(study, tmp_path):
    drawn = invoke("plot", "study", "-o", str(tmp_path / "levels.png"), *QUIET)
    assert "3 of 144 rows have no metric (forest: constant prediction)." in drawn.stderr


def test_discarded_assembly_keeps_its_count(own_study):
    lake = lakebatch.open_lake("lake")
    ended = lakebatch.run(lake, "study", jobs=1)
    assert str(ended.missing_metrics) == MISSING
    assert "missing_metrics" not in ended.software
    assert invoke("discard", "study", ended.assembly_id, "--reason", "wrong").exit_code == 0
    assert lake["study"].assemblies()["without_metric"].to_list() == [1]
    assert lake["study"].missing_metrics().rows() == [
        (ended.assembly_id, 54, 1, "forest: constant prediction")
    ]


def test_notification_names_rows_without_a_metric(own_study):
    from lakebatch.cli.run_session import _outcome

    ended = lakebatch.run(lakebatch.open_lake("lake"), "study", jobs=1)
    assert _outcome(ended) == f"3 of 3 parts, 54 rows; {MISSING}"


def test_last_shard_counts_the_rows_of_all(own_study):
    shard = ("run", "study", "--jobs", "1", "--array", "a", "--fail-on-missing", "--shard")
    assert [invoke(*shard, f"{index}/3").exit_code for index in (3, 1, 2)] == [0, 0, 3]
    assert lakebatch.open_lake("lake")["study"].assemblies()["without_metric"].to_list() == [1]


def test_batch_script_keeps_fail_on_missing(own_study):
    tasks = ("run", "study", "--shard", "1/3", "--print-slurm")
    assert "--fail-on-missing" not in invoke(*tasks).output
    assert "study --preset guide --fail-on-missing" in invoke(*tasks, "--fail-on-missing").output
