"""Import of a publication: the same rows, once, also after kills; a changed or malformed one is refused."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch._folders import CHECKSUMS, sha256
from lakebatch.cli import main
from lakebatch.errors import AssemblyError, IncompleteError, MixtureWarning, StorageError, UnknownNameError
from lakebatch.publication import importing
from lakebatch.publication.record import OVERVIEW, PART_COLUMNS, PARTS, parts_of

KILLED = """
import os, signal, sys
import lakebatch
from lakebatch.storage.delta.table import Table
append, left = Table.append_once, int(sys.argv[3])
def append_once(*given):
    global left
    done = append(*given)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
Table.append_once = append_once
lakebatch.open_lake(sys.argv[1]).import_published(sys.argv[2])
"""


@pytest.fixture(scope="module")
def published(template_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the toy experiment, its lake, and a publication of the lake; to be read only."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(template_lake, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        toy = lakebatch.open_lake(folder / "lake")["toy"]
        toy.tag("paper")
        toy.publish("paper", folder / "publication", draft=True, on_gap="ignore")
    return folder


@pytest.fixture
def publication(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the publication beside the experiment, in the working directory, to change."""
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "publication"


def test_an_import_gives_the_same_rows_and_a_second_one_changes_nothing(publication, tmp_path):
    """Rows and tag are those of the first lake; a second import skips all."""
    other = lakebatch.open_lake(tmp_path / "other")
    assert other.import_published(publication, dry_run=True).rows
    assert not (tmp_path / "other").exists()
    first = other.import_published(publication)
    assert len(first.assemblies) == 2
    assert first.tag == "paper"
    expected = lakebatch.open_lake(tmp_path / "lake")["toy"].snapshot(tag="paper").reassemble(on_gap="ignore")
    assert other["toy"].snapshot(tag="paper").reassemble(on_gap="ignore").equals(expected)
    events, version = other["toy"].log.events(), other["toy"].results.version()
    second = other.import_published(publication)
    assert second.assemblies == ()
    assert second.skipped == first.assemblies
    assert second.tag == "paper"
    assert other["toy"].log.events().equals(events)
    assert other["toy"].results.version() == version


def test_every_published_table_comes_back(wide, wide_publication, tmp_path, monkeypatch):
    """Samples, trajectories, own tables and own columns have the same rows, meanings and verdict as before."""
    monkeypatch.chdir(wide)
    first, lake = lakebatch.open_lake("lake")["wide"], lakebatch.open_lake(tmp_path / "other")
    done = lake.import_published(wide_publication)
    other = lake["wide"]
    for table in ("results", "samples", "trajectories", "peaks"):
        expected, found = (
            each.reassemble(tag="paper", table=table, on_gap="ignore", on_mix="ignore")
            for each in (first, other)
        )
        assert expected.height
        assert found.equals(expected)
        schemas = [each.schema(tag="paper")[table] for each in (first, other)]
        assert schemas[0] == schemas[1]
    verdict = lakebatch.verify(lake, "wide", done.assemblies[0], jobs=1)
    assert str(verdict).endswith("all the same (artifacts was not published: not compared)")
    assert "problem" not in lake.doctor("wide", deep=True)["severity"]
    assert other.report(on_gap="ignore", on_mix="ignore").findings


def test_table_that_was_not_published_is_no_table_that_was_never_written(publication, tmp_path):
    """The message says why; once other assemblies have written the table, the imported ones are a gap in it."""
    _set(publication, "not_published", ["artifacts", "samples"])
    _seal(publication)
    lake = lakebatch.open_lake(tmp_path / "other")
    done = lake.import_published(publication)
    toy = lake["toy"]
    toy.note(done.assemblies[0], "looked at")  # a later event says so too
    for read in (toy.snapshot().artifacts, lambda: toy.reassemble(table="samples", on_gap="ignore")):
        with pytest.raises(UnknownNameError, match="not part of the publication that was imported"):
            read()
    with pytest.raises(UnknownNameError, match="never written"):
        toy.reassemble(table="trajectories", on_gap="ignore")
    toy.table("samples").ensure()
    with pytest.raises(IncompleteError, match=f"{done.assemblies[0]}: the publication .* has no samples"):
        toy.reassemble(table="samples", on_gap="refuse")


def test_sweep_comes_back_with_its_plan(publication, tmp_path):
    """README and the rows of the assemblies name it; states and plan are those of the first lake, also its gaps."""
    lake = lakebatch.open_lake(tmp_path / "swept")
    keys = {"seed": [1, 2]}
    lakebatch.run(lake, "toy", sweep=keys, sweep_name="s", settings=["levels=[0]"], jobs=1)
    lake["toy"].tag("paper")
    lake["toy"].publish("paper", tmp_path / "sweep", draft=True)
    assert "- Sweep `s`: 2 points of `seed`" in (tmp_path / "sweep" / "README.md").read_text()
    rows = pl.read_csv(tmp_path / "sweep" / "data" / "assemblies.csv")
    assert rows.select("sweep", "point", "replicate").rows() == [("s", 1, 1), ("s", 2, 1)]
    other = lakebatch.open_lake(tmp_path / "other")
    for _ in range(2):
        other.import_published(tmp_path / "sweep")
    assert other["toy"].sweep("s").equals(lake["toy"].sweep("s"))
    assert other["toy"].sweeps().drop("user").equals(lake["toy"].sweeps().drop("user"))
    assert (
        lakebatch.run(other, "toy", sweep=keys, sweep_name="s", settings=["levels=[0]"], jobs=1).computed
        == []
    )
    assert "problem" not in other.doctor("toy", deep=True)["severity"]
    third = lakebatch.open_lake(tmp_path / "third")
    lakebatch.run(third, "toy", sweep={"seed": [5]}, sweep_name="s", settings=["levels=[0]"], jobs=1)
    with pytest.raises(AssemblyError, match="has another sweep 's' already"):
        third.import_published(tmp_path / "sweep")


def test_what_is_left_out_is_named(published, wide_publication):
    """With the reason, in README and in the record."""
    for folder, wanted in (
        (wide_publication, ["contents of artifacts: ", "logs and saved frames: "]),
        (published / "publication", ["logs and saved frames: "]),
    ):
        left_out = json.loads((folder / OVERVIEW).read_text())["left_out"]
        assert [each[: len(begin)] for each, begin in zip(left_out, wanted, strict=True)] == wanted
        assert all(f"\n- {each}\n" in (folder / "README.md").read_text() for each in left_out)


def test_large_tables_that_nobody_asked_for_are_named_as_left_out(wide, tmp_path, monkeypatch):
    monkeypatch.chdir(wide)
    with pytest.warns(MixtureWarning):
        lakebatch.open_lake("lake")["wide"].publish("paper", tmp_path / "small", draft=True, on_gap="ignore")
    readme = (tmp_path / "small" / "README.md").read_text()
    for name in ("samples", "trajectories", "artifacts"):
        assert f"rows, a large table that was not asked for (publish --with {name})" in readme


def test_verify_leaves_out_what_was_not_published(publication, tmp_path):
    """An imported assembly is the same, and the verdict names the tables that nobody could compare."""
    _set(publication, "not_published", ["samples"])
    _seal(publication)
    other = lakebatch.open_lake(tmp_path / "other")
    done = other.import_published(publication)
    verdict = lakebatch.verify(other, "toy", done.assemblies[0], jobs=1)
    assert verdict.reproduced
    assert verdict.not_compared == done.not_published == ("samples",)
    assert str(verdict).endswith("all the same (samples was not published: not compared)")


def test_verify_says_where_the_code_of_an_import_is(publication, tmp_path, monkeypatch):
    """Without the experiment's file, the message names the folder of the publication that has it."""
    other = lakebatch.open_lake(tmp_path / "other")
    done = other.import_published(publication)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(UnknownNameError, match=r"Copy what is in code/[0-9a-f]{12}/"):
        lakebatch.verify(other, "toy", done.assemblies[0])


@pytest.mark.parametrize("commits", [2, 5, 8])
def test_an_import_that_was_killed_is_completed_by_another(publication, tmp_path, commits):
    """After a SIGKILL behind some commit, a second import gives each row and event once."""
    arguments = [sys.executable, "-c", KILLED, "other", publication, str(commits)]
    assert subprocess.run(arguments).returncode == -9
    other = lakebatch.open_lake(tmp_path / "other")
    other.import_published(publication)
    _check_whole(other, tmp_path)


def test_two_imports_at_once_give_each_row_once(publication, tmp_path):
    """Both end well, and there is one tag."""
    arguments = [sys.executable, "-c", KILLED, "other", publication, "0"]
    both = [subprocess.Popen(arguments) for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0]
    _check_whole(lakebatch.open_lake(tmp_path / "other"), tmp_path)


def test_a_tag_that_another_import_sets_meanwhile_is_the_only_one(publication, tmp_path, monkeypatch):
    """The other import ends while this one chooses the name of its tag."""
    other = lakebatch.open_lake(tmp_path / "other")
    choose = importing._free_name

    def overtaken(*given):
        monkeypatch.setattr(importing, "_free_name", choose)
        other.import_published(publication)
        return choose(*given)

    monkeypatch.setattr(importing, "_free_name", overtaken)
    assert other.import_published(publication).tag == "paper"
    _check_whole(lakebatch.open_lake(tmp_path / "other"), tmp_path)


def test_a_lake_with_another_assembly_keeps_it_and_gets_no_tag(publication, tmp_path):
    """A tag would mean other rows, so the command says how to read exactly the imported ones."""
    other = lakebatch.open_lake(tmp_path / "other")
    ours = lakebatch.run(other, "toy", jobs=1)
    result = CliRunner().invoke(main, ["--lake", "other", "import-published", str(publication)])
    assert result.exit_code == 0, result.output
    assert "No tag is set" in result.output + result.stderr
    assert ours.assembly_id in [each.assembly_id for each in other["toy"].log.latest()]
    assert other["toy"].tags().is_empty()


def test_a_part_whose_rows_have_several_times_comes_whole(publication, tmp_path):
    """No row is lost, whatever the times say."""
    later = pl.col("recorded_at") + pl.int_range(pl.len()) * timedelta(seconds=1)
    _change(publication, lambda rows: rows.with_columns(later.cast(rows.schema["recorded_at"])))
    other = lakebatch.open_lake(tmp_path / "other")
    other.import_published(publication)
    rows = pl.read_parquet(publication / "data" / "results.parquet")
    assert other["toy"].reassemble(on_gap="ignore").height == rows.height


def test_an_assembly_with_other_rows_is_refused_by_name(publication, tmp_path):
    """The rows of the lake stay."""
    _change(publication, lambda rows: rows.with_columns(recorded_at=pl.col("recorded_at").dt.offset_by("1s")))
    lake = lakebatch.open_lake(tmp_path / "lake")
    with pytest.raises(AssemblyError, match=r"run001 already, with other rows in 'results'"):
        lake.import_published(publication)


def _break_json(folder: Path) -> None:
    (folder / OVERVIEW).write_text("[]")


def _newer(folder: Path) -> None:
    _set(folder, "format", 2)


def _climb(folder: Path) -> None:
    _set(folder, "experiment", "../../elsewhere")


def _other_types(folder: Path) -> None:
    file = folder / "data" / "results.parquet"
    pl.read_parquet(file).with_columns(pl.all().cast(pl.String, strict=False)).write_parquet(file)


def _no_parquet(folder: Path) -> None:
    (folder / PARTS).write_text("no Parquet")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_break_json, "publication.json is not of the form"),
        (_newer, "format 2, expected 1"),
        (_climb, "publication.json is not of the form"),
        (_other_types, r"results.parquet is not of the form"),
        (_no_parquet, r"parts.parquet is not of the form"),
    ],
)
def test_a_malformed_publication_is_refused_before_anything_is_written(publication, tmp_path, harm, said):
    """One line names the file, although its checksum is right."""
    harm(publication)
    _seal(publication)
    with pytest.raises(StorageError, match=said) as caught:
        lakebatch.open_lake(tmp_path / "other").import_published(publication)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "other").exists()


def test_a_changed_file_is_refused(publication, tmp_path):
    """The message names the file, and the lake stays empty."""
    with (publication / "data" / "results.parquet").open("ab") as file:
        file.write(b"x")
    other = lakebatch.open_lake(tmp_path / "other")
    with pytest.raises(StorageError, match=r"data/results\.parquet has changed"):
        other.import_published(publication)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("../out.txt", b"x", "outside of its folder"), ("a/zeros", bytes(30 << 20), "would unpack to")],
)
def test_a_zip_file_that_does_harm_is_refused(tmp_path, name, content, said):
    """Neither a path out of the folder nor a bomb is unpacked."""
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(name, content)
    with pytest.raises(StorageError, match=said):
        lakebatch.open_lake(tmp_path / "other").import_published(file)


def test_a_folder_that_is_no_publication_is_refused(tmp_path):
    """The message says what was expected."""
    with pytest.raises(StorageError, match="Expected a folder or zip file that lakebatch publish wrote"):
        lakebatch.open_lake(tmp_path / "other").import_published(tmp_path)


def _check_whole(lake: lakebatch.Lake, folder: Path) -> None:
    """Check that an experiment has the rows of the first lake, each event once, one tag and no problem."""
    toy = lake["toy"]
    first = lakebatch.open_lake(folder / "lake")["toy"].snapshot(tag="paper")
    assert toy.snapshot(tag="paper").reassemble(on_gap="ignore").equals(first.reassemble(on_gap="ignore"))
    events = toy.log.events().select("assembly_id", "event")
    expected = first.events.filter(pl.col("assembly_id").is_in(first.ids())).select("assembly_id", "event")
    assert events.sort(pl.all()).equals(expected.sort(pl.all()))
    assert toy.tags().height == 1
    assert "problem" not in lake.doctor("toy", deep=True)["severity"]


def _set(folder: Path, key: str, value: object) -> None:
    overview = json.loads((folder / OVERVIEW).read_text())
    (folder / OVERVIEW).write_text(json.dumps(overview | {key: value}))


def _change(folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change the published results, and write a record and checksums that fit them."""
    file = folder / "data" / "results.parquet"
    rows = change(pl.read_parquet(file))
    rows.write_parquet(file)
    parts = [
        parts_of(frame).select(
            pl.lit("results").alias("table"), pl.lit(each).alias("assembly_id"), *PART_COLUMNS
        )
        for (each,), frame in rows.group_by("assembly_id")
    ]
    others = pl.read_parquet(folder / PARTS).filter(pl.col("table") != "results")
    pl.concat([others, *parts]).write_parquet(folder / PARTS)
    _seal(folder)


def _seal(folder: Path) -> None:
    """Write the checksums of the files as they are."""
    files = sorted(each for each in folder.rglob("*") if each.is_file() and each.name != CHECKSUMS)
    lines = [f"{sha256(each)}  {each.relative_to(folder).as_posix()}\n" for each in files]
    (folder / CHECKSUMS).write_text("".join(lines))
