"""Tables that an experiment declares: committed exactly once, and read, tagged, examined and repaired like results."""

import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import click
import deltalake
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.assembly.shards import Shard
from lakebatch.cli import completion, main
from lakebatch.errors import (
    DamageError,
    DamageWarning,
    ExperimentError,
    SchemaError,
    UnknownNameError,
)
from lakebatch.runner import check
from lakebatch.runner import run as runner
from lakebatch.snapshot import pieces, row_order
from lakebatch.sql.catalog import setup

FILE = Path(__file__).parents[1] / "estimate_pi.py"
NAME = "estimate-pi"
SETTINGS = ["points=[10, 20]", "repeats=3"]
ROWS = 2 * 3
KILLED = """
import os, signal
import lakebatch
from lakebatch.assembly.part_writer import PartWriter

append = PartWriter.append_spooled

def append_and_die(writer, part, rows):
    if writer.table.schema.table == "results" and part == "points=20":
        os.kill(os.getpid(), signal.SIGKILL)
    return append(writer, part, rows)

PartWriter.append_spooled = append_and_die
lakebatch.run(lakebatch.open_lake("lake"), "estimate-pi", settings=["points=[10, 20]", "repeats=3"], jobs=1, seed=3)
"""
"""Dies between the commit of a part to its own table and that to the results."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with an experiment and a lake with one assembly of it, and its tag."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        (folder / "experiments").mkdir()
        shutil.copy(FILE, folder / "experiments")
        patch.chdir(folder)
        lake = lakebatch.open_lake("lake")
        assert runner.run(lake, NAME, settings=SETTINGS, jobs=1, seed=3).status == "completed"
        lake[NAME].tag("paper")
    return folder


@pytest.fixture
def lake(made, tmp_path, monkeypatch):
    """Return a copy of the lake, in its folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return lakebatch.open_lake("lake")


def stable(rows):
    return rows.drop("assembly_id", "recorded_at")


def test_kill_between_the_commits_of_a_part_gives_each_row_once(lake):
    expected = {table: stable(lake[NAME].reassemble(table=table)) for table in ("curves", "results")}
    shutil.rmtree("lake")
    died = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert died.returncode == -signal.SIGKILL
    stored = lakebatch.open_lake("lake")[NAME]
    assert len(deltalake.DeltaTable(stored.table("curves").uri).to_pyarrow_table()) == ROWS
    # what was committed of a part that is not done is no part of any dataset
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = stored.reassemble(table="curves", include=["started"])
        assert lake.sql("SELECT DISTINCT part FROM estimate_pi.curves", include=["started"]).rows() == [
            ("points=10",)
        ]
    assert begun["part"].unique().to_list() == ["points=10"]
    assert runner.resume(lake, NAME, jobs=1).status == "completed"
    for table, rows in expected.items():
        assert stable(stored.reassemble(table=table)).equals(rows)
    assert [each for each in lake.doctor(deep=True)["severity"] if each == "problem"] == []


def test_shards_give_the_rows_of_one_run(lake):
    expected = stable(lake[NAME].reassemble(table="curves"))
    for index in (2, 1):
        last = lakebatch.run(lake, NAME, settings=SETTINGS, jobs=1, seed=3, shard=Shard(index, 2, "a"))
    assert last.status == "completed"
    assert stable(lake[NAME].reassemble(table="curves", assembly=last.assembly_id)).equals(expected)
    assert lake[NAME].replicates()["agrees"].to_list() == [True] * 2


def test_every_reader_knows_own_tables(lake, tmp_path):
    stored = lake[NAME]
    rows = stored.reassemble(table="curves")
    assert rows.columns == ["assembly_id", "part", "recorded_at", "running"]
    assert rows.schema["running"] == pl.List(pl.Float64)
    assert stored.data_tables()[-1] == "curves"
    assert lake.snapshot()[NAME].scan(table="curves").collect().height == ROWS
    assert stored.reassemble(table="curves", tag="paper").equals(rows)
    assert stored.reassemble(table="curves", version=0).is_empty()
    with pytest.raises(UnknownNameError, match="Did you mean 'curves'"):
        stored.reassemble(table="curve")
    counts = (
        "SELECT part, count(*) AS n, max(len(running)) AS last FROM {}.curves GROUP BY part ORDER BY part"
    )
    expected = [("points=10", 3, 10), ("points=20", 3, 20)]
    for schema in ("estimate_pi", "estimate_pi_v1"):
        assert lake.sql(counts.format(schema)).rows() == expected
    assert 'CREATE VIEW "estimate_pi_v1".curves' in setup(lake.snapshot())
    words = lake.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'estimate_pi'")
    assert "curves" in words["table_name"].to_list()
    for ending, read in (("parquet", pl.read_parquet), ("csv", pl.read_csv), ("arrow", pl.read_ipc)):
        file = tmp_path / f"curves.{ending}"
        done = CliRunner().invoke(main, ["reassemble", NAME, "--table", "curves", "-o", str(file)])
        assert done.exit_code == 0, done.output
        assert read(file).height == ROWS
    done = CliRunner().invoke(main, ["reassemble", NAME, "--table", "curve"])
    assert (done.exit_code, "Did you mean 'curves'" in done.output) == (2, True)
    context = click.Context(main.commands["reassemble"], info_name="reassemble", parent=click.Context(main))
    context.params = {"name": NAME}
    assert "curves" in [name for name, _ in completion._tables(context)]


def test_large_own_table_is_read_in_pieces(lake, monkeypatch):
    for module in (pieces, row_order):
        monkeypatch.setattr(module, "LARGE", 2)
    found = list(lake[NAME].snapshot().pieces(table="curves"))
    assert len(found) == 2
    assert pl.concat(found).equals(lake[NAME].reassemble(table="curves"))


def test_upkeep_counts_merges_and_keeps_tagged_versions_of_own_tables(lake):
    stored = lake[NAME]
    used = stored.usage().filter(table="curves")
    assert used["rows"].sum() == ROWS
    (tag,) = stored.tag_log.all()
    version = tag.versions()["curves"]
    assert stored.optimize().filter(table="curves")["files_after"].item() == 1
    assert stored.vacuum(keep_days=0, dry_run=False).filter(table="curves")["files"].item() == 0
    uri = stored.table("curves").uri
    assert deltalake.DeltaTable(uri, version=version).to_pyarrow_table().num_rows == ROWS
    assert stored.table("curves").at().file_table.height == 1


def test_damage_of_an_own_table_is_named_and_repaired(lake):
    stored = lake[NAME]
    rows = stored.reassemble(table="curves")
    file, other = sorted(Path(stored.table("curves").uri).glob("*/*.parquet"))
    file.unlink()
    content = bytearray(other.read_bytes())
    content[20] ^= 1
    other.write_bytes(bytes(content))
    with pytest.raises(DamageError, match=file.name):
        stored.reassemble(table="curves")
    with pytest.raises(DamageError, match=file.name):
        lake.sql("FROM estimate_pi.curves")
    assert lake.sql("FROM estimate_pi.gaps")["what"].str.contains("left out of curves").all()
    assert lake.sql("FROM estimate_pi.results").height == 12
    assert "20_v1_estimate-pi/curves" in set(lake.doctor().filter(severity="problem")["subject"])
    assert set(stored.repair(dry_run=False, jobs=1)["state"]) == {"healed"}
    assert lake[NAME].reassemble(table="curves").equals(rows)
    assert "problem" not in set(lake.doctor(deep=True)["severity"])


def test_own_table_without_its_log_is_named(lake):
    shutil.rmtree(Path(lake[NAME].table("curves").uri, "_delta_log"))
    (Path(lake[NAME].results.uri).with_name("notes")).mkdir()
    lake = lakebatch.open_lake("lake")
    assert lake[NAME].data_tables()[-1] == "curves"
    for read in (lambda: lake[NAME].reassemble(table="curves"), lambda: lake.sql("FROM estimate_pi.curves")):
        with pytest.raises(DamageError, match="curves has lost its log"):
            read()
    assert lake.sql("FROM estimate_pi.results").height == 12
    problems = lake.doctor().filter(severity="problem")
    assert problems["what"].str.contains("curves has lost its log").any()


def test_experiment_that_cannot_be_read_keeps_its_views(lake):
    shutil.rmtree(Path(lake[NAME].log.table.uri, "_delta_log"))
    lake = lakebatch.open_lake("lake")
    with pytest.raises((DamageError, SchemaError), match="assemblies has lost its log"):
        lake.sql("FROM estimate_pi.curves")
    with pytest.warns(DamageWarning):
        assert lake.sql("FROM estimate_pi.curves", on_gap="ignore").is_empty()


def test_check_covers_own_tables(lake):
    check.check_pieces(check.CheckConfig(NAME, settings=("points=[10]", "repeats=2")))
    experiment = Path("experiments", FILE.name)
    text = experiment.read_text().replace("import numpy", "import time\n\nimport numpy")
    experiment.write_text(text.replace('"running": curves', '"running": [[time.time()]] * 3'))
    first, again = (runner.run(lake, NAME, settings=SETTINGS, jobs=1, seed=3) for _ in range(2))
    with pytest.raises(ExperimentError, match="A second run gives other curves: running"):
        check._expect_equal(lake, first, again, "a second run")
