"""Code and packages that change between attempts at one assembly, or during a run."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import warnings
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.assembly.shards import Shard
from lakebatch.cli.main import main
from lakebatch.errors import AssemblyError, MixtureWarning, UnknownNameError
from lakebatch.experiment import installed, provenance
from lakebatch.runner.assembly_run import Progress
from lakebatch.snapshot import changes
from lakebatch.snapshot.attempts import Attempts
from lakebatch.storage.delta.engine import ATTEMPT

TOY = Path("experiments", "toy.py")
REFUSED = (
    r"^\S+_run001 was begun with other code or packages: source was \w{12}, is \w{12} \(CHANGED\)"
    r"(; source was \w{12}, is \w{12} \(CHANGED\))?\. Put them back, start a new run, or let the assembly have rows of "
    r"both with: lakebatch resume toy \S+_run001 --accept-changes$"
)


def refused(changed=r"toy\.py"):
    return pytest.raises(AssemblyError, match=REFUSED.replace("CHANGED", changed))


@pytest.fixture
def failed(run):
    """Return an assembly with one missing part, which can now be computed."""
    assembly = run("fail=[0.1]")
    Path("mended").touch()
    return assembly


def edit() -> None:
    TOY.write_text(TOY.read_text().replace("float(rng.normal()) ** 2", "float(rng.normal()) ** 4"))


def test_assembly_of_changed_code_is_not_resumed(lake, toy, failed):
    code = TOY.read_text()
    edit()
    with refused():
        lakebatch.resume(lake, toy, jobs=1)
    assert lake[toy].history().height == 2
    TOY.write_text(code)
    assert lakebatch.resume(lake, toy, jobs=1).rows == 9


@pytest.mark.parametrize("changed", ["helper/formula.py", "helper/deep/model.ant", "presets/toy.toml"])
def test_file_beside_the_experiment_is_part_of_its_code(lake, toy, failed, changed):
    file = TOY.parent / changed
    file.parent.mkdir(parents=True)
    file.touch()
    with refused(f"new {re.escape(changed)}"):
        lakebatch.resume(lake, toy, jobs=1)


MIXTURE = (
    r"its parts were computed by 2 codes: level=0, level=0\.2 by source \w{12}; level=0\.1 by source \w{12}; "
    r"the source differs in toy\.py"
)


def test_accepted_mixture_is_recorded_and_named_by_every_reader(lake, toy, failed, caplog):
    edit()
    resumed = lakebatch.resume(lake, toy, jobs=1, accept_changes=True)
    assert (resumed.status, resumed.rows) == ("completed", 9)
    assert "_run001 goes on with other code or packages: source was " in caplog.text
    (note,) = lake[toy].history()["note"].drop_nulls()
    assert re.fullmatch(r"accepted changes: source was \w{12}, is \w{12} \(toy\.py\)", note)
    with pytest.warns(MixtureWarning, match=rf"^\S+_run001 is a mixture: {MIXTURE} \("):
        assert lake[toy].reassemble(on_gap="refuse").height == 9
    with pytest.warns(MixtureWarning, match=rf"is a mixture: {MIXTURE}"):
        lake.sql("FROM toy.results")
    (found,) = lake.doctor().filter(check="mixtures").rows(named=True)
    assert found["severity"] == "note"
    assert re.search(MIXTURE, found["what"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lake[toy].reassemble(on_mix="ignore").height == 9
        (gap,) = lake.sql("SELECT what FROM toy.gaps", on_mix="ignore")["what"]
    assert re.fullmatch(rf"is a mixture: {MIXTURE}", gap)
    for arguments in (["status"], ["report", toy, "--on-mix", "ignore", "-o", "report.html"]):
        done = CliRunner().invoke(main, ["--lake", "lake", *arguments])
        assert done.exit_code == 0, done.output
        text = done.stdout if arguments == ["status"] else Path("report.html").read_text()
        assert re.search(rf"_run001 is a mixture: {MIXTURE}", text), text


def test_parts_of_one_code_are_no_mixture_although_several_processes_began(lake, toy, run):
    run("fail=[0.0, 0.1, 0.2]")
    Path("mended").touch()
    edit()
    resumed = lakebatch.resume(lake, toy, jobs=1, accept_changes=True)
    assert (resumed.status, resumed.rows) == ("completed", 9)
    assert lake[toy].snapshot().mixtures() == {}


def test_parts_of_a_commit_without_attempt_are_told_apart_by_time(lake, toy, failed):
    edit()
    lakebatch.resume(lake, toy, jobs=1, accept_changes=True)
    events, commits = lake[toy].log.events(), lake[toy].results.commits()
    older = [
        replace(each, metadata={name: value for name, value in each.metadata.items() if name != ATTEMPT})
        for each in commits
    ]
    known, inferred = (
        Attempts(lambda found=found: found, events, commits[-1].version).parts(failed.assembly_id)
        for found in (commits, older)
    )
    assert known == inferred == {0: ["level=0", "level=0.2"], 2: ["level=0.1"]}
    assert Attempts(lambda: older, events.head(0), 99).parts(failed.assembly_id) is None


def test_code_of_every_attempt_is_compared(lake, toy, run):
    run("fail=[0.0, 0.1]")
    code = TOY.read_text()
    edit()
    lakebatch.resume(lake, toy, jobs=1, accept_changes=True)
    for text in (code, TOY.read_text()):
        TOY.write_text(text)
        with refused(r"(toy\.py|no file)"):
            lakebatch.resume(lake, toy, jobs=1)


def other_versions(monkeypatch, **versions):
    true_version = installed.version
    monkeypatch.setattr(installed, "version", lambda name: versions.get(name, true_version(name)))


def test_packages_that_rows_depend_on_are_named_and_refused(lake, toy, failed, monkeypatch):
    other_versions(monkeypatch, numpy="0.0.1", numba=None)
    numba, numpy = (metadata.version(each) for each in ("numba", "numpy"))
    changed = f"numba was {numba}, is missing; numpy was {numpy}, is 0.0.1"
    with pytest.raises(AssemblyError, match=re.escape(f"other code or packages: {changed}. Put them back")):
        lakebatch.resume(lake, toy, jobs=1)
    assert lake[toy].history().height == 2
    assert lakebatch.resume(lake, toy, jobs=1, accept_changes=True).status == "completed"
    assert lake[toy].history()["note"].drop_nulls().to_list() == [f"accepted changes: {changed}"]
    (what,) = lake[toy].snapshot().mixtures().values()
    assert re.search(r"codes: level=0, level=0\.2 by numpy \S+; level=0\.1 by numpy 0\.0\.1$", what)


def test_other_minor_version_of_python_is_refused(lake, toy, failed, monkeypatch):
    monkeypatch.setattr(provenance.platform, "python_version", lambda: "3.99.1")
    with pytest.raises(AssemblyError, match=r"Python was 3\.\d+, is 3\.99\. Put"):
        lakebatch.resume(lake, toy, jobs=1)


def test_packages_that_only_store_rows_may_differ(lake, toy, failed, monkeypatch, caplog):
    other_versions(monkeypatch, duckdb="0.0.1", deltalake="0.0.1", pyarrow="0.0.1", joblib=None)
    assert lakebatch.resume(lake, toy, jobs=1).status == "completed"
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    assert lake[toy].snapshot().mixtures() == {}


def test_package_that_the_source_imports_is_recorded(lake, toy, run):
    TOY.write_text(TOY.read_text().replace("import numpy as np", "import click\nimport numpy as np"))
    packages = run().surroundings["packages"]
    assert packages["click"] == metadata.version("click")
    assert "pytest" not in packages


def warnings_of_source(caplog):
    return [each for each in caplog.messages if each.startswith("The source has changed")]


def test_run_names_the_files_that_changed_since_the_newest_assembly(lake, toy, run, caplog):
    first = run()
    run()
    assert warnings_of_source(caplog) == []
    edit()
    Path("experiments/helper").mkdir()
    Path("experiments/helper/formula.py").touch()
    newest = run()
    run()
    assert first.run_number == 1
    (line,) = warnings_of_source(caplog)
    assert re.fullmatch(
        r"The source has changed since \d{8}_\d{6}_run002, the last assembly of toy v1: toy\.py, "
        r"new helper/formula\.py\. If rows change with it, raise version in toy\.py, so that they go to tables of "
        r"their own\.",
        line,
    )
    TOY.write_text(TOY.read_text().replace('version = "v1"', 'version = "v2"'))
    assert run().at > newest.at
    assert len(warnings_of_source(caplog)) == 1


def test_same_code_and_packages_cause_no_warning(lake, toy, failed, caplog):
    lakebatch.resume(lake, toy, jobs=1)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    assert changes.mixtures(lake[toy].log.events()) == {}


def test_differences_between_assemblies_name_files_and_packages(lake, toy, run, monkeypatch):
    first = run()
    edit()
    other_versions(monkeypatch, numpy="0.0.1")
    environments = [first.surroundings, run().surroundings]
    one, other = (each["source_hash"][:12] for each in environments)
    numpy = metadata.version("numpy")
    assert changes.between(environments, lake[toy].snapshot().source_files) == [
        f"source {one}, {other} (toy.py)",
        f"numpy {numpy}, 0.0.1",
    ]
    assert changes.between(environments)[0] == f"source {one}, {other} (source text not recorded)"
    assert changes.between(environments[:1] * 2) == []


def test_lakebatch_and_commit_are_two_fields(lake, toy, run):
    for command in (
        ["init", "-q"],
        ["add", "experiments"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout[
        :12
    ]
    clean = run()
    edit()
    changed = run()
    assert (clean.code_version, changed.code_version) == (lakebatch.__version__,) * 2
    assert (clean.commit, changed.commit) == (head, f"{head}.dirty")
    lake[toy].log.record(
        changed, "completed", after=("completed",), code_version="0.1.0+gabc.dirty", environment="{}"
    )
    for frame in (
        lake[toy].assemblies(),
        lake[toy].history().unique("assembly_id", keep="last", maintain_order=True),
    ):
        assert frame.sort("assembly_id").select("code_version", "commit").rows() == [
            (lakebatch.__version__, head),
            ("0.1.0", "abc.dirty"),
        ]


def test_file_outside_of_a_repository_has_no_commit(run):
    assert (run().commit, json.loads(run().environment).keys() & {"commit"}) == (None, set())


def test_record_without_hashes_can_be_resumed(lake, toy, failed):
    lake[toy].log.record(failed, "failed", environment="{}")
    assert lakebatch.resume(lake, toy, jobs=1).status == "completed"


def test_shard_with_different_code_does_not_join(lake, toy):
    lakebatch.run(lake, toy, jobs=1, shard=Shard(1, 3, "a"))
    edit()
    with refused():
        lakebatch.run(lake, toy, jobs=1, shard=Shard(2, 3, "a"))
    (assembly_id,) = lake[toy].assemblies()["assembly_id"]
    with refused():
        lakebatch.resume(lake, toy, assembly_id, jobs=1, shard=Shard(2, 3, "a"))
    joined = lakebatch.resume(lake, toy, assembly_id, jobs=1, shard=Shard(2, 3, "a"), accept_changes=True)
    assert joined.parts_done == 2
    third = lakebatch.run(lake, toy, jobs=1, shard=Shard(3, 3, "a"), accept_changes=True)
    assert (third.assembly_id, third.status) == (assembly_id, "completed")
    notes = lake[toy].history()["note"].drop_nulls().to_list()
    assert [note.startswith("accepted changes: source was ") for note in notes] == [True, True]
    (what,) = lake[toy].snapshot().mixtures().values()
    assert re.search(r"level=0 by source \w{12}; level=0\.1, level=0\.2 by source \w{12}; ", what)


def test_assembly_of_another_version_is_not_resumed(lake, toy, failed, tmp_path):
    TOY.write_text(TOY.read_text().replace('version = "v1"', 'version = "v2"'))
    with pytest.raises(
        AssemblyError, match=r"is of 90_v1_toy, this code has experiment version v2 of it\. Use the code"
    ):
        lakebatch.resume(lake, toy, jobs=1, accept_changes=True)
    assert not (tmp_path / "lake" / "90_v2_toy").exists()


def test_code_changed_during_a_run_fails_its_parts(lake, toy):
    class Editor(Progress):
        def started(self, *_):
            edit()

    ended = lakebatch.run(lake, toy, jobs=1, progress=Editor())
    assert (ended.status, ended.parts_done) == ("failed", 0)
    assert set(ended.failures.values()) == {
        f"ExperimentError: {TOY} or a file in a folder beside it has changed since the run began. "
        "Put it back and resume, or start a new run."
    }


def test_resume_command_names_the_changes(lake, toy, failed, caplog):
    edit()
    stopped = CliRunner().invoke(main, ["--lake", "lake", "resume", toy, failed.assembly_id])
    assert stopped.exit_code == 1
    assert "was begun with other code or packages" in stopped.output
    allowed = CliRunner().invoke(main, ["--lake", "lake", "resume", "--accept-changes", "--jobs", "1"])
    assert allowed.exit_code == 0
    assert "source was" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(["toy", ""], "ASSEMBLY is empty"), ([""], "NAME is empty"), (["", ""], "NAME is empty")],
)
def test_empty_assembly_id_is_refused(lake, toy, failed, arguments, what):
    refused = CliRunner().invoke(main, ["--lake", "lake", "resume", *arguments])
    assert refused.exit_code == 2
    assert f"{what}, perhaps from an unset variable" in refused.output
    with pytest.raises(UnknownNameError, match="is not an assembly id"):
        lakebatch.resume(lake, toy, "")
    assert lake[toy].history().height == 2
