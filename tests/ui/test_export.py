"""Exports: complete, the same each time, nothing of others overwritten, nothing secret, nothing later than the state."""

import os
import re
import shutil
import subprocess
import sys
import warnings
from urllib.parse import unquote

import pytest
from click.testing import CliRunner

from lakebatch.cli.main import main
from lakebatch.ui import page as pages


@pytest.fixture
def export(ui_folder):
    """Return a function that writes an export by the command."""

    def run(folder, *options):
        command = ["--lake", str(ui_folder / "lake"), "ui", "--export", str(folder), *options]
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            return CliRunner().invoke(main, command)

    return run


def files_of(folder):
    return {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}


def test_every_address_in_an_export_is_a_file_of_it(exported):
    for folder in exported.values():
        for file in folder.rglob("*.html"):
            for address in re.findall(r"""(?:href|src)=["']([^"']*)""", file.read_text()):
                path = unquote(address.partition("#")[0])
                assert not re.match(r"[a-z]+:|/", path) or path.startswith("data:"), (file, address)
                if path and not path.startswith("data:"):
                    target = (file.parent / path).resolve()
                    assert target.is_relative_to(folder), (file, address)
                    assert target.is_file(), (file, address)


def test_export_says_where_it_comes_from_and_has_checksums(exported, ui_folder):
    folder = exported["paper-v1"]
    readme = (folder / "README.txt").read_text()
    for text in (readme, (folder / "index.html").read_text()):
        for said in (
            "lakebatch ui --tag paper-v1 --export FOLDER",
            "As submitted.",
            "study@v1, tag paper-v1, version ",
        ):
            assert said in " ".join(text.split()), said
    assert str(ui_folder) not in "".join(file.read_text() for file in folder.rglob("*.html"))
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder).returncode == 0
    listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == set(files_of(folder)) - {"SHA256SUMS"}


def test_second_export_is_the_same_byte_for_byte_and_replaces_the_first(export, exported, tmp_path):
    shutil.copytree(exported["paper-v1"], tmp_path / "pages")
    before = (tmp_path / "pages").stat().st_ino
    assert export(tmp_path / "pages", "--tag", "paper-v1").exit_code == 0
    assert (tmp_path / "pages").stat().st_ino != before
    first, second = files_of(exported["paper-v1"]), files_of(tmp_path / "pages")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name].read_bytes() != second[name].read_bytes()] == []
    assert os.listdir(tmp_path) == ["pages"]


def test_export_overwrites_nothing_of_others(export, exported, tmp_path):
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.tex").write_text("x")
    done = export(foreign)
    assert done.exit_code == 1
    assert "it is not empty, and no export of lakebatch" in done.stderr
    own = tmp_path / "pages"
    shutil.copytree(exported["now"], own)
    (own / "index.html").write_text("mine")
    assert "index.html was added or changed after the export" in export(own).stderr
    (tmp_path / "link").symlink_to(foreign)
    assert "it is no folder" in export(tmp_path / "link").stderr
    assert "there is no folder" in export(tmp_path / "a" / "b").stderr
    assert os.listdir(foreign) == ["chapter.tex"]
    assert (own / "index.html").read_text() == "mine"


def test_refused_export_leaves_nothing(export, tmp_path):
    done = export(tmp_path / "pages", "--on-gap", "refuse")
    assert done.exit_code == 1
    assert "The dataset is incomplete" in done.stderr
    assert export(tmp_path / "pages", "--tag", "nothing").exit_code != 0
    assert os.listdir(tmp_path) == []


def test_export_of_a_tag_knows_nothing_later(exported, ui_lake):
    ids = ui_lake["study"].assemblies()["assembly_id"].to_list()
    everything = "".join(file.read_text(errors="replace") for file in files_of(exported["paper-v1"]).values())
    assert [each in everything for each in ids] == [True, True, False, False, False, False]
    assert "mistake" not in everything


def test_export_withholds_secrets(export, tmp_path, monkeypatch):
    monkeypatch.setenv("NTFY_TOKEN", "The first one.")  # the note of an assembly
    assert export(tmp_path / "pages", "study", "--tag", "paper-v1").exit_code == 0
    found = [
        name for name, file in files_of(tmp_path / "pages").items() if b"The first one." in file.read_bytes()
    ]
    assert found == []
    assert "[NTFY_TOKEN withheld]" in (tmp_path / "pages/tables/91_v1_study/assemblies.csv").read_text()


def test_export_needs_no_server_packages(export, tmp_path, monkeypatch):
    for name in ("starlette", "uvicorn"):
        monkeypatch.setitem(sys.modules, name, None)
    assert export(tmp_path / "pages", "toy", "--config", "1").exit_code == 0
    assert (tmp_path / "pages" / "index.html").is_file()


def test_missing_template_engine_is_one_line(export, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    pages.environment.cache_clear()
    done = export(tmp_path / "pages", "toy", "--config", "1")
    assert done.stderr.splitlines()[-1].startswith(
        "Error: Pages in the browser need Jinja, which is not installed."
    )
    assert os.listdir(tmp_path) == []


def test_broken_assembly_is_named_and_all_others_are_there(ui_folder, tmp_path):
    shutil.copytree(ui_folder / "lake" / "90_v1_toy", tmp_path / "lake" / "90_v1_toy")
    broken, whole = sorted((tmp_path / "lake" / "90_v1_toy" / "results").glob("assembly_id=*"))[:2]
    shutil.rmtree(broken)
    folder = tmp_path / "pages"
    command = ["--lake", str(tmp_path / "lake"), "ui", "--export", str(folder)]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = CliRunner().invoke(main, command)
        refused = CliRunner().invoke(main, [*command, "--on-gap", "refuse"])
    name, other = (each.name.partition("=")[2] for each in (broken, whole))
    assert f"Warning: assembly/90_v1_toy/{name}.html: " in done.stderr
    page = (folder / "assembly" / "90_v1_toy" / f"{name}.html").read_text()
    assert "is missing. Restore it with" in page
    assert str(tmp_path) not in page
    assert "<h1>Error" not in (folder / "assembly" / "90_v1_toy" / f"{other}.html").read_text()
    assert refused.exit_code == 1
