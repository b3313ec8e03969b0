"""A publication of a damaged lake: refused, or it names whatever it lacks."""

import json
import os
import shutil
from pathlib import Path

import deltalake
import polars as pl
import pytest
from damage_done import cut, garbled, gone

import lakebatch
from lakebatch.errors import DamageError, IncompleteError, IncompleteWarning

FOLDER = "93_v1_wide"
pytestmark = pytest.mark.filterwarnings(
    "ignore::lakebatch.errors.MixtureWarning", "ignore::lakebatch.errors.IncompleteWarning"
)


def live(table, run):
    """Return a file of a run that the table has now; others were merged into it."""
    files = map(Path, deltalake.DeltaTable(table).file_uris())
    return next(each for each in files if each.parent.name.endswith(run))


DAMAGES = {
    "cut": lambda toy: cut(live(toy / "results", "run002"), 100),
    "garbled": lambda toy: garbled(live(toy / "results", "run002")),
    "gone": lambda toy: gone(live(toy / "results", "run002")),
    "own table": lambda toy: gone(live(toy / "peaks", "run002")),
}


@pytest.fixture
def stored(wide, tmp_path, monkeypatch):
    """Return the experiment of a copy of the lake."""
    shutil.copytree(wide / "lake", tmp_path / "lake")
    shutil.copytree(wide / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    return lakebatch.open_lake("lake")["wide"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused_or_named(stored, damage, said, tmp_path):
    file = DAMAGES[damage](tmp_path / "lake" / FOLDER)
    with pytest.raises(DamageError, match="on_gap='ignore' \\(--on-gap ignore\\)"):
        stored.publish("paper", "new", **said)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["experiments", "lake"]
    with pytest.warns(match=file.name):
        done = stored.publish("paper", "new", on_gap="ignore", **said)
    table = file.parents[1].name
    rows = pl.read_parquet(f"new/data/{table}.parquet")["assembly_id"].str.tail(6).unique().to_list()
    assert rows == ["run001"]
    (named,) = [each for each in done.gaps if file.name in each]
    assert f"run002: left out of {table}, {table}/assembly_id=" in named
    assert f"- {named}\n" in (tmp_path / "new" / "README.md").read_text()
    for name in ("croissant.json", "datapackage.json", "ro-crate-metadata.json"):
        assert file.name in json.dumps(json.loads((tmp_path / "new" / name).read_text()))
    place = os.fsencode(tmp_path)
    assert [
        each for each in (tmp_path / "new").rglob("*") if each.is_file() and place in each.read_bytes()
    ] == []


def test_missing_part_and_mixture_are_named(wide_publication):
    text = (wide_publication / "README.md").read_text()
    assert "run003: left out, failed with 1 of 2 parts done: level=0.1: ValueError: level 0.1 is bad" in text
    assert "2 assemblies of wide have 2 configs" in text
    assert (
        "run003: left out" in json.loads((wide_publication / "datapackage.json").read_text())["description"]
    )


def test_gap_is_told_or_refused(stored, wide_published, said, tmp_path):
    told = [str(each) for each in wide_published[1] if isinstance(each, IncompleteWarning)]
    assert any("run003: left out" in each for each in told)
    with pytest.raises(IncompleteError, match="run003"):
        stored.publish("paper", "other", on_gap="refuse", **said)
    assert not (tmp_path / "other").exists()
