"""Code and packages that change between attempts at one assembly, or during a run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.assembly.shards import Shard
from lakebatch.cli.main import main
from lakebatch.errors import AssemblyError, MixtureWarning
from lakebatch.experiment import provenance
from lakebatch.runner.progress import Progress
from lakebatch.snapshot import changes

TOY = Path("experiments", "toy.py")
REFUSED = (
    r"^\S+_run001 was begun with other code: \S+/experiments/toy\.py or a file in a folder beside it has changed since "
    r"\(source_hash was \w{12}, is \w{12}(; source_hash was \w{12}, is \w{12})?\)\. "
    r"Put that code back, start a new run, or mix the rows of both with: lakebatch resume toy \S+_run001 --allow-changed$"
)


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
    with pytest.raises(AssemblyError, match=REFUSED):
        lakebatch.resume(lake, toy, jobs=1)
    assert lake[toy].history().height == 2
    TOY.write_text(code)
    assert lakebatch.resume(lake, toy, jobs=1).rows == 9


@pytest.mark.parametrize("changed", ["helper/formula.py", "helper/deep/model.ant", "presets/toy.toml"])
def test_file_beside_the_experiment_is_part_of_its_code(lake, toy, failed, changed):
    file = TOY.parent / changed
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(AssemblyError, match=REFUSED):
        lakebatch.resume(lake, toy, jobs=1)


def test_allowed_mixture_is_named_by_every_reader(lake, toy, failed, caplog):
    edit()
    resumed = lakebatch.resume(lake, toy, jobs=1, allow_changed=True)
    assert (resumed.status, resumed.rows) == ("completed", 9)
    assert "_run001 was begun with other versions: source_hash was " in caplog.text
    mixture = r"^\S+_run001 is a mixture: its parts were computed with different versions: source_hash \w{12} and \w{12} \("
    with pytest.warns(MixtureWarning, match=mixture):
        assert lake[toy].reassemble(on_gap="refuse").height == 9
    with pytest.warns(MixtureWarning, match=mixture):
        lake.sql("FROM toy.results")
    (found,) = lake.doctor().filter(check="mixtures").rows(named=True)
    assert (found["severity"], found["what"].count("source_hash")) == ("note", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lake[toy].reassemble(on_gap="ignore").height == 9


def test_code_of_every_attempt_is_compared(lake, toy, run):
    run("fail=[0.0, 0.1]")
    code = TOY.read_text()
    edit()
    lakebatch.resume(lake, toy, jobs=1, allow_changed=True)
    for text in (code, TOY.read_text()):
        TOY.write_text(text)
        with pytest.raises(AssemblyError, match=REFUSED):
            lakebatch.resume(lake, toy, jobs=1)


def test_different_packages_are_named_and_not_refused(lake, toy, failed, caplog, monkeypatch):
    monkeypatch.setattr(provenance, "_version", lambda name: None if name == "numba" else "0.0.1")
    assert lakebatch.resume(lake, toy, jobs=1).status == "completed"
    (line,) = [each for each in caplog.messages if "was begun with other versions" in each]
    assert "; numpy was " in line
    assert ", is 0.0.1" in line
    assert "numba was " in line
    assert ", is missing" in line
    (found,) = lake.doctor().filter(check="mixtures").rows(named=True)
    assert "numpy " in found["what"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lake[toy].reassemble()  # package differences are not warned of at every read


def test_same_code_and_packages_cause_no_warning(lake, toy, failed, caplog):
    lakebatch.resume(lake, toy, jobs=1)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    assert changes.mixtures(lake[toy].log.events()) == {}


def test_record_without_hashes_can_be_resumed(lake, toy, failed):
    lake[toy].log.record(failed, "failed", environment="{}")
    assert lakebatch.resume(lake, toy, jobs=1).status == "completed"


def test_shard_with_different_code_does_not_join(lake, toy):
    lakebatch.run(lake, toy, jobs=1, shard=Shard(1, 3, "a"))
    edit()
    with pytest.raises(AssemblyError, match=REFUSED):
        lakebatch.run(lake, toy, jobs=1, shard=Shard(2, 3, "a"))
    (assembly_id,) = lake[toy].assemblies()["assembly_id"]
    with pytest.raises(AssemblyError, match=REFUSED):
        lakebatch.resume(lake, toy, assembly_id, jobs=1, shard=Shard(2, 3, "a"))
    joined = lakebatch.resume(lake, toy, assembly_id, jobs=1, shard=Shard(2, 3, "a"), allow_changed=True)
    assert joined.parts_done == 2


def test_assembly_of_another_version_is_not_resumed(lake, toy, failed, tmp_path):
    TOY.write_text(TOY.read_text().replace('version = "v1"', 'version = "v2"'))
    with pytest.raises(
        AssemblyError, match=r"is of 90_v1_toy, this code has experiment version v2 of it\. Use the code"
    ):
        lakebatch.resume(lake, toy, jobs=1, allow_changed=True)
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
    refused = CliRunner().invoke(main, ["--lake", "lake", "resume", toy, failed.assembly_id])
    assert refused.exit_code == 1
    assert "was begun with other code" in refused.output
    allowed = CliRunner().invoke(main, ["--lake", "lake", "resume", "--allow-changed", "--jobs", "1"])
    assert allowed.exit_code == 0
    assert "source_hash was" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(["toy", ""], "ASSEMBLY is empty"), ([""], "NAME is empty"), (["", ""], "NAME is empty")],
)
def test_empty_assembly_id_is_refused(lake, toy, failed, arguments, what):
    refused = CliRunner().invoke(main, ["--lake", "lake", "resume", *arguments])
    assert refused.exit_code == 2
    assert f"{what}, perhaps from an unset variable" in refused.output
    with pytest.raises(AssemblyError, match="is not an assembly id"):
        lakebatch.resume(lake, toy, "")
    assert lake[toy].history().height == 2
