"""Artifacts: models, images and texts that are committed part by part, listed, fetched and checked."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.artifacts import MAX_BYTES
from lakebatch.assembly import artifact_rows
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.cli import write_artifact
from lakebatch.cli.main import main
from lakebatch.errors import (
    ConfigError,
    DamageError,
    ExperimentError,
    RunInterrupted,
    StorageError,
    UnknownNameError,
)
from lakebatch.experiment import artifact
from lakebatch.snapshot.artifacts import StoredArtifact

FILE = Path(__file__).parents[1] / "model_experiment.py"
COLUMNS = ["assembly_id", "part", "name", "media_type", "size", "sha256", "recorded_at"]
LISTED = [("level=0", "model.json"), ("level=0", "weights/0.bin")]
LISTED += [("level=0.1", name) for _, name in LISTED]


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Return the name of an experiment that stores artifacts."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    shutil.copy(FILE, folder / "models.py")
    monkeypatch.chdir(tmp_path)
    return "models"


@pytest.fixture(scope="module")
def run_lake(tmp_path_factory):
    """Return a folder with a lake to be copied, after one run."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "experiments").mkdir()
    shutil.copy(FILE, folder / "experiments" / "models.py")
    with contextlib.chdir(folder):
        lakebatch.run(lakebatch.open_lake("lake"), "models", jobs=1)
    return folder / "lake"


@pytest.fixture
def one_run(lake, models, run_lake):
    """Return the experiment after one run, and the id of its assembly."""
    shutil.copytree(run_lake, lake.storage.uri)
    return lake[models], lake[models].assemblies()["assembly_id"][0]


def command(lake, *arguments):
    return CliRunner().invoke(main, ["--lake", lake.storage.uri, "artifacts", *arguments])


def keys(rows):
    return list(rows.select("part", "name").iter_rows())


def test_artifacts_are_listed_without_contents_and_fetched(one_run):
    stored, assembly_id = one_run
    rows = stored.artifacts()
    assert rows.columns == COLUMNS
    assert keys(rows) == LISTED
    assert rows["media_type"].to_list()[:2] == ["application/json", "application/octet-stream"]
    for each in rows.iter_rows(named=True):
        content = stored.artifact(assembly_id, each["name"], part=each["part"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each["size"], each["sha256"])
    assert json.loads(stored.artifact(assembly_id, "model.json", part="level=0")).keys() == {"slope"}


def test_sql_and_datasets_leave_contents_out(lake, one_run):
    stored, _ = one_run
    assert lake.sql("SELECT * FROM models.artifacts").columns == COLUMNS
    assert stored.reassemble(table="artifacts").columns == COLUMNS
    assert stored.scan(table="artifacts").collect_schema().names() == COLUMNS
    assert keys(stored.reassemble(table="artifacts")) == LISTED


def test_unknown_artifact_is_named(one_run):
    stored, assembly_id = one_run
    with pytest.raises(UnknownNameError, match=r"no artifact 'model.jso'. Did you mean 'model.json'\?"):
        stored.artifact(assembly_id, "model.jso")
    with pytest.raises(ConfigError, match=r"in 2 parts of \S+: level=0, level=0.1. Name one"):
        stored.artifact(assembly_id, "model.json")
    with pytest.raises(UnknownNameError, match="no artifacts of part 'level=3'"):
        stored.artifact(assembly_id, "model.json", part="level=3")
    with pytest.raises(UnknownNameError, match="no assembly"):
        stored.artifact("20261123_142230_run007", "model.json")


def test_experiment_without_artifacts_lists_none(stored):
    assert stored.artifacts().is_empty()
    with pytest.raises(UnknownNameError, match="has no artifacts"):
        stored.artifact(stored.assemblies()["assembly_id"][0], "model.json")


def test_tag_keeps_artifacts_beside_later_ones_and_vacuum(lake, models, one_run):
    stored, assembly_id = one_run
    content = stored.artifact(assembly_id, "model.json", part="level=0")
    stored.tag("paper")
    lakebatch.run(lake, models, jobs=1)
    stored.discard(assembly_id, "test")
    lake.optimize()
    lake.vacuum(keep_days=0, dry_run=False)
    assert keys(stored.artifacts(tag="paper")) == LISTED
    assert assembly_id not in stored.artifacts()["assembly_id"]
    assert stored.artifact(assembly_id, "model.json", part="level=0", tag="paper") == content
    assert not [each for each in lake.doctor(deep=True).rows() if "problem" in each]


def test_interrupted_run_has_each_artifact_once(lake, models, monkeypatch):
    append = PartWriter.append_spooled

    def stop(self, part, rows):
        if part == "level=0.1" and self.table.schema.table == "results":
            raise KeyboardInterrupt
        return append(self, part, rows)

    monkeypatch.setattr(PartWriter, "append_spooled", stop)
    with pytest.raises(RunInterrupted):
        lakebatch.run(lake, models, jobs=1)
    monkeypatch.undo()
    monkeypatch.chdir(Path(lake.storage.uri).parent)
    assembly_id = lake[models].assemblies()["assembly_id"][0]
    assert keys(lake[models].artifacts(assembly_id)) == LISTED[:2]
    assert lakebatch.resume(lake, models, jobs=1).status == "completed"
    assert keys(lake[models].artifacts()) == LISTED


def test_verify_compares_hashes(lake, models, one_run):
    _, assembly_id = one_run
    assert lakebatch.verify(lake, models, assembly_id, jobs=1).reproduced
    file = Path("experiments/models.py")
    file.write_text(file.read_text().replace('{"slope": slope}', '{"slope": slope, "more": 1}'))
    verdict = lakebatch.verify(lake, models, assembly_id, jobs=1)
    assert set(verdict.tables["column"]) == {"size", "sha256"}


def test_large_artifact_is_stored_once(lake, models):
    assembly = lakebatch.run(lake, models, jobs=1, settings=["levels=[0]", "kilobytes=20000"])
    assert len(lake[models].artifact(assembly.assembly_id, "weights/0.bin")) == 20_000_000
    files = list(Path(lake.storage.uri).rglob("artifacts/**/*.parquet"))
    assert 20_000_000 < sum(file.stat().st_size for file in files) < 20_100_000


def test_content_of_another_hash_is_damage(lake, models, one_run):
    stored, assembly_id = one_run
    table = stored.table("artifacts")
    rows = table.at().scan([assembly_id]).filter(part="level=0", name="model.json").collect()
    changed = rows.with_columns(part=pl.lit("other"), content=pl.lit(b"{}"))
    table.append_once("other tool", lambda state, last: None if last else changed, {})
    with pytest.raises(DamageError, match=r"'model.json' of part other .* is damaged: the SHA-256"):
        stored.artifact(assembly_id, "model.json", part="other")
    found = lake.doctor(deep=True).filter(check="contents")
    assert found["severity"].to_list() == ["problem"]
    assert "'model.json' of part other" in found["what"][0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (['names=["../x"]'], "expected a relative path of ordinary names"),
        (['names=["model.json"]'], "'model.json' and artifact 'model.json' are of one part"),
        (['names=["Model.JSON"]'], "'Model.JSON' and artifact 'model.json' are of one part"),
        (['names=["weights"]'], "'weights' and artifact 'weights/0.bin' are of one part"),
        (["breach=frame"], "returned DataFrame for artifacts. Return a list"),
        (["breach=text"], "returned str for artifacts"),
        (["breach=row"], "returned bytes among the artifacts"),
        (["secret=NTFY_TOKEN"], "'notes.txt' holds the value of a secret setting"),
    ],
)
def test_bad_artifact_fails_its_part_in_one_line(lake, models, monkeypatch, settings, message):
    monkeypatch.setenv("NTFY_TOKEN", "tk_0123456789abcdef")
    assembly = lakebatch.run(lake, models, jobs=1, settings=["levels=[0]", *settings])
    assert assembly.status == "failed"
    assert message in assembly.error
    assert "tk_0123456789abcdef" not in assembly.error


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/", "a\nb", "a\x1b[31m", "a\\b", "C:x", "a ", "a.", " /b",
     "\u202egnp.exe", "\ud800", "x" * 241, None, b"a"],
)  # fmt: skip
def test_name_that_is_no_plain_path_is_refused(name):
    with pytest.raises(ExperimentError, match=r"^artifact\(.*expected a"):
        artifact(name, b"")


@pytest.mark.parametrize(
    ("content", "media_type", "message"),
    [
        ([1], None, "of type list, expected bytes or str"),
        ("\ud800", None, "no Unicode text"),
        (b"", "png", "media type 'png', expected one such as image/png"),
        (b"", "image/png\n", "media type"),
        (memoryview(bytes(MAX_BYTES + 1)), None, "256,000,001 bytes, expected at most 256,000,000"),
    ],
)
def test_content_that_cannot_be_stored_is_refused(content, media_type, message):
    with pytest.raises(ExperimentError, match=message):
        artifact("a", content, media_type)


def test_media_type_comes_from_the_name():
    assert artifact("fit.png", b"").media_type == "image/png"
    assert artifact("notes", "text").media_type == "text/plain"
    assert artifact("notes", b"text").media_type == "application/octet-stream"
    assert artifact("fit.png", b"", "image/x-mine").media_type == "image/x-mine"
    assert artifact("é/ü.txt", "ü").content == "ü".encode()


def test_command_lists_artifacts(lake, one_run):
    _, assembly_id = one_run
    shown = command(lake, "models", assembly_id, "--part", "level=0.1", "--format", "csv")
    assert (shown.exit_code, shown.stdout.count("\n")) == (0, 3)
    table = command(lake, "models", assembly_id).stdout
    assert max(map(len, table.splitlines())) <= 80
    assert "1.0 kB" in table


def test_command_fetches_an_artifact(lake, one_run):
    stored, assembly_id = one_run
    content = stored.artifact(assembly_id, "weights/0.bin", part="level=0")
    chosen = ("models", assembly_id, "--get", "weights/0.bin", "--part", "level=0")
    assert command(lake, *chosen, "-o", "-").stdout_bytes == content
    assert command(lake, *chosen).exit_code == 0
    assert Path("0.bin").read_bytes() == content
    refused = command(lake, *chosen)
    assert (refused.exit_code, "There is 0.bin already" in refused.stderr) == (2, True)
    Path("folder").mkdir()
    assert command(lake, *chosen, "-o", "folder").exit_code == 0
    assert Path("folder/0.bin").read_bytes() == content
    assert "Cannot write missing/x" in command(lake, *chosen, "-o", "missing/x").stderr


def test_command_fetches_all_artifacts_into_folders_of_their_parts(lake, one_run):
    stored, assembly_id = one_run
    done = command(lake, "models", assembly_id, "--all", "-o", "out")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "4 artifacts" in done.stderr
    found = sorted(str(file.relative_to("out")) for file in Path("out").rglob("*") if file.is_file())
    assert found == sorted(f"{part}/{name}" for part, name in LISTED)
    assert Path("out/level=0/model.json").read_bytes() == stored.artifact(
        assembly_id, "model.json", part="level=0"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models", "--get", "x"), "Name the assembly"),
        (("models", "A", "--get", "x", "--all"), "Give one of the two"),
        (("models", "A", "-o", "x"), "-o needs --get FILE or --all"),
        (("models", "A", "--all"), "--all needs -o FOLDER"),
        (("models", "A", "--all", "-o", "-"), "--all needs -o FOLDER"),
    ],
)
def test_command_refuses_options_that_do_not_fit(lake, arguments, message):
    refused = command(lake, *arguments)
    assert refused.exit_code == 2
    assert message in refused.stderr


def test_binary_content_is_not_written_to_a_terminal(monkeypatch):
    each = StoredArtifact("A", "p", "a.bin", "application/octet-stream", 2, "")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for content in (b"\x00\xff", b"\x1b[31m"):
        with pytest.raises(ConfigError, match=r"no text .* is a terminal"):
            write_artifact.write(each, content, Path("-"))


def test_names_of_another_tool_stay_in_the_folder(tmp_path):
    each = StoredArtifact("A", "../..", "../../x", "text/plain", 1, "")
    with pytest.raises(ExperimentError, match="relative path"):
        write_artifact.write_all([(each, b"x")], tmp_path / "out")
    assert write_artifact.write_all([(each._replace(name="x"), b"x")], tmp_path / "out") == (1, 1)
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("x")] == ["out/..%2F../x"]
    twice = [(each._replace(name=name), b"x") for name in ("x", "X")]
    with pytest.raises(ConfigError, match="would be one file"):
        write_artifact.write_all(twice, tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot make the folder"):
        write_artifact.write_all([(each._replace(name="x"), b"x")], tmp_path / "file")


def test_secret_is_found_in_bytes(monkeypatch):
    monkeypatch.setenv("S3_SECRET_KEY", "wJalrXUtnFEMI")
    assert artifact_rows.held_secret(b"\xff wJalrXUtnFEMI \x00") == "S3_SECRET_KEY"
    assert artifact_rows.held_secret(b"\xff wJalrXUtnFEM \x00") is None
