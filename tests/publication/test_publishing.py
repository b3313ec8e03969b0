"""A tag as a publication: what is in it, its checksums, the same bytes twice, and refusals."""

import contextlib
import csv
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import deltalake
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.analysis import plots
from lakebatch.cli import main
from lakebatch.errors import ConfigError, MixtureWarning, StorageError, UnknownNameError
from lakebatch.publication.about import read

STUDY = Path(__file__).parents[1] / "study_experiment.py"
SAID = {"authors": ["Doe, Jane; 0000-0002-1825-0097; University"], "license": "cc-by-4.0"}


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """Return a folder with a lake whose study has the tag paper."""
    folder = tmp_path_factory.mktemp("publishing")
    (folder / "experiments").mkdir()
    shutil.copy(STUDY, folder / "experiments" / "study.py")
    with contextlib.chdir(folder):
        lake = lakebatch.open_lake("lake")
        for _ in range(2):
            lakebatch.run(lake, "study", jobs=1)
        lake["study"].tag("paper")
    return folder


@pytest.fixture
def study(tagged, monkeypatch):
    monkeypatch.chdir(tagged)
    return lakebatch.open_lake("lake")["study"]


@pytest.fixture(scope="module")
def published(tagged):
    with contextlib.chdir(tagged):
        lakebatch.open_lake("lake")["study"].publish("paper", "published", **SAID)
    return tagged / "published"


@pytest.fixture(scope="module")
def draft(tagged):
    """Return the folder of a draft without any facts, and what the command said on standard error."""
    with contextlib.chdir(tagged):
        done = CliRunner().invoke(main, ["publish", "study", "--tag", "paper", "--draft", "-o", "draft"])
    assert done.exit_code == 0, done.output
    return tagged / "draft", done.stderr


@pytest.fixture(scope="module")
def noted(tagged):
    """Return the publication of another tag, after a note, under a licence that the citation format does not know."""
    with contextlib.chdir(tagged):
        study = lakebatch.open_lake("lake")["study"]
        study.note(study.assemblies()["assembly_id"][0], "looked at")
        study.tag("noted")
        study.publish("noted", "noted", **SAID | {"license": "CDLA-Permissive-2.0"})
    return tagged / "noted"


def contents(folder):
    return {
        each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()
    }


def test_checksums_cover_every_file(published):
    found = contents(published)
    lines = found.pop("SHA256SUMS").decode().splitlines()
    assert {path: digest for digest, path in (line.split("  ") for line in lines)} == {
        path: hashlib.sha256(content).hexdigest() for path, content in found.items()
    }


def test_files_hold_the_rows_of_the_tag(study, published):
    rows = study.reassemble(tag="paper")
    assert pl.read_parquet(published / "data" / "results.parquet").equals(rows)
    with open(published / "data" / "results.csv", newline="", encoding="utf-8") as file:
        read_back = list(csv.DictReader(file))
    assert len(read_back) == rows.height
    assert [float(row["r2"]) if row["r2"] else None for row in read_back] == rows["r2"].to_list()


def test_second_publication_and_zip_have_the_same_bytes(study, published, tmp_path):
    lakebatch.run(lakebatch.open_lake("lake"), "study", jobs=1)  # the tag does not move
    study.publish("paper", tmp_path / "other.zip", **SAID)
    with zipfile.ZipFile(tmp_path / "other.zip") as archive:
        assert {each.date_time[0] for each in archive.infolist()} == {1980}
        found = {each.partition("/")[2]: archive.read(each) for each in archive.namelist()}
    assert found == contents(published)


def test_nothing_names_the_place_of_the_lake(tagged, published):
    place = os.fsencode(tagged)
    assert [path for path, content in contents(published).items() if place in content] == []


def test_report_names_no_machine_and_no_user(study, published):
    report = (published / "report" / "report.md").read_text()
    assert "| elsewhere |" in report
    for secret in {*study.assemblies()["host"], *study.assemblies()["user"]}:
        assert f"| {secret} |" not in report


def test_pictures_that_cannot_be_drawn_are_named(published, draft):
    drawn = {each.stem for each in (published / "pictures").glob("*.png")}
    readme = (published / "README.md").read_text()
    for kind in plots.KINDS:
        assert (f"\n- {kind}: " in readme) == (kind not in drawn)
    assert drawn < set(plots.KINDS)
    (line,) = (each for each in draft[1].splitlines() if "cannot be drawn" in each)
    assert all((each in line) == (each not in drawn) for each in plots.KINDS)


def test_texts_for_people_name_no_home_folder(wide, tmp_path, monkeypatch):
    """Configs are given as they are; README, dictionary and report, which quote them, are not."""
    home = tempfile.mkdtemp(prefix="jane-", dir="/tmp")  # short, since README cuts long values
    shutil.copytree(wide / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("LAKEBATCH_USER", "jane-of-the-lab")
    lake = lakebatch.open_lake("lake")
    lakebatch.run(lake, "wide", settings=[f"comment='see {home}/data'"], jobs=1)
    lakebatch.run(lake, "wide", settings=["comment='other'"], jobs=1)
    lake["wide"].tag("paper", note=f"from {home}")
    with pytest.warns(MixtureWarning):
        lake["wide"].publish("paper", "published", draft=True)
    readme = (tmp_path / "published" / "README.md").read_text()
    assert "see ~/data" in readme
    for name in ("README.md", "dictionary.md", "report/report.md", "report/report.html"):
        text = (tmp_path / "published" / name).read_text()
        assert home not in text
        assert "jane-of-the-lab" not in text
    shutil.rmtree(home, ignore_errors=True)


def test_note_does_not_move_the_time_of_completion(published, noted):
    before = pl.read_csv(published / "data" / "assemblies.csv")
    after = pl.read_csv(noted / "data" / "assemblies.csv")
    assert after["note"][0] == "looked at"
    times = before.select("assembly_id", "started_at", "completed_at").sort("assembly_id")
    assert after.join(times, "assembly_id", "semi").select(times.columns).sort("assembly_id").equals(times)


def test_config_keys_have_the_columns_of_the_published_table(wide, wide_publication):
    table = deltalake.DeltaTable(next((wide / "lake").glob("*/published")))
    wanted = [each.name for each in table.schema().fields if each.name.startswith("config_")]
    with open(wide_publication / "data" / "assemblies.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [name for name in rows[0] if name.startswith("config_") and name != "config_hash"]
    assert found == wanted
    assert [json.loads(each["config_levels"]) for each in rows] == [[0.0, 0.1], [0.1, 0.2]]
    assert [each["config_comment"] for each in rows] == ["", "a, b"]
    dictionary = json.loads((wide_publication / "dictionary.json").read_text())
    (assemblies,) = (each for each in dictionary["tables"] if each["name"] == "assemblies")
    columns = {each["name"]: each for each in assemblies["columns"]}
    assert columns["config_scale"]["meaning"] == "Config key scale: Scale of the noise."
    assert columns["config_scale"]["unit"] == "mM"
    assert columns["config_is_noisy"]["sql_type"] == "BOOLEAN"


def test_descriptions_name_files_that_exist(published):
    found = contents(published)
    graph = {each["@id"]: each for each in json.loads(found["ro-crate-metadata.json"])["@graph"]}
    files = [each for each in graph.values() if "File" in each["@type"] and each["@id"][0] != "#"]
    assert {each["@id"] for each in files} == found.keys() - {"ro-crate-metadata.json", "SHA256SUMS"}
    actions = [each for each in graph.values() if each["@type"] == "CreateAction"]
    assert len(actions) == 2
    used = [ref["@id"] for each in actions for ref in [each["instrument"], *each["object"], *each["result"]]]
    assert set(used) <= graph.keys()
    for each in json.loads(found["croissant.json"])["distribution"]:
        assert each["sha256"] == hashlib.sha256(found[each["contentUrl"]]).hexdigest()


def test_publication_without_licence_is_refused_unless_a_draft(study, draft, tmp_path):
    with pytest.raises(ConfigError, match="no license"):
        study.publish("paper", tmp_path / "refused", authors=["Doe, Jane"])
    assert list(tmp_path.iterdir()) == []
    assert "This is a draft" in (draft[0] / "README.md").read_text()


def test_folder_of_somebody_else_stays(study, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="no publication of lakebatch"):
        study.publish("paper", tmp_path / "mine", **SAID)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "said", [{"license": "CC-BY"}, {"doi": "11.5"}, {"authors": ["Doe; 0000-0002-1825-0098"]}]
)
def test_malformed_facts_are_refused(said):
    with pytest.raises(ConfigError):
        read({}, {**SAID, **said}, {"title": "t", "description": "d"})


def test_table_without_rows_is_refused(study, tmp_path):
    with pytest.raises(UnknownNameError, match="--with"):
        study.publish("paper", tmp_path / "refused", tables=["logs"], **SAID)


def test_licence_that_the_citation_format_does_not_know_is_given_by_its_address(noted):
    lines = (noted / "CITATION.cff").read_text().splitlines()
    assert 'license-url: "https://spdx.org/licenses/CDLA-Permissive-2.0.html"' in lines
    assert [each for each in lines if each.startswith("license:")] == []
