"""Lakes of other schema versions: an older one is read and extended, a newer one refused."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import deltalake
import polars as pl
import pytest

import lakebatch
from lakebatch.assembly.record import COLUMNS
from lakebatch.columns import Column
from lakebatch.errors import IncompleteWarning, SchemaError, StorageError
from lakebatch.storage import Storage
from lakebatch.storage.delta.schema import load_schema, parse_schema
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.table_format import SCHEMA_VERSION, stored_schema_version

ROOT = Path(__file__).parents[2]
RELEASED = sorted((ROOT / "tests" / "fixtures").glob("schema_*"))
NAME = "response-noise"
NEW_COLUMNS = """
[[columns]]
name = "added"
type = "double"
since = 2
comment = "A column of the next version."

[[columns]]
name = "added_names"
type = "list<string>"
since = 2
comment = "Another."

[constraints]
added_not_negative = { rule = "added IS NULL OR added >= 0", since = 2 }
"""
ADDED = ["added", "added_names"]
NEWER = replace(
    load_schema("results"),
    version=2,
    columns=(*load_schema("results").columns, Column("added", "double", "New.", since=2)),
    constraints={**load_schema("results").constraints, "added_not_negative": "added IS NULL OR added >= 0"},
)


@pytest.fixture(params=RELEASED, ids=[each.name for each in RELEASED])
def released(request, tmp_path, monkeypatch):
    """Return a copy of a lake written by a released version."""
    shutil.copytree(request.param / "lake", tmp_path / "lake")
    monkeypatch.chdir(tmp_path)
    return lakebatch.open_lake(tmp_path / "lake")


@pytest.fixture(scope="session")
def newer(tmp_path_factory):
    """Return the folder of a lakebatch of the next schema version: today's, with columns added to every table."""
    site = tmp_path_factory.mktemp("newer")
    shutil.copytree(ROOT / "lakebatch", site / "lakebatch")
    for folder in ("experiments", "queries", "schemas"):
        shutil.copytree(ROOT / folder, site / "lakebatch" / folder)
    for file in (site / "lakebatch" / "schemas").glob("*.toml"):
        version = load_schema(file.stem).version
        text = file.read_text().replace(f"version = {version}", f"version = {version + 1}", 1)
        file.write_text(
            text.replace("\n[constraints]\n", NEW_COLUMNS.replace("since = 2", f"since = {version + 1}"))
        )
    return site


def command(*arguments, site=None):
    """Run the command line, of today or of another folder, to its end."""
    path = {"PYTHONPATH": str(site)} if site else {}
    script = "import sys, lakebatch.cli; sys.argv[0] = 'lakebatch'; lakebatch.cli.main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        env={**os.environ, **path},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def python(site, script, *arguments):
    """Run a script against another lakebatch."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tables(lake):
    return {name: lake[NAME].table(name) for name in ("results", "samples", "trajectories", "assemblies")}


def test_lake_of_a_released_version_is_read(released):
    stored = released[NAME]
    first, second = stored.assemblies()["assembly_id"]
    assert stored.assemblies()["status"].to_list() == ["completed", "interrupted"]
    with pytest.warns(IncompleteWarning, match="left out, interrupted with 1 of 2 parts done"):
        rows = stored.reassemble()
    assert rows.height == 8
    assert rows["r2"].null_count() == 0
    assert stored.reassemble(include=("started",), on_gap="ignore")["assembly_id"].unique().to_list() == [
        second
    ]
    features, target = stored.dataset(first, level=0.5, feature_set="last")
    assert features.height == target.len() == 12
    answer = released.sql(
        "SELECT count(*), count(DISTINCT part), (SELECT count(*) FROM response_noise.samples), "
        "(SELECT count(*) FROM response_noise.events) FROM lake.results",
        on_gap="ignore",
    )
    assert answer.row(0)[:2] == (8, 2)
    assert answer.row(0)[2] > 12
    assert answer.row(0)[3] == 4


@pytest.mark.filterwarnings("default", "ignore::lakebatch.errors.MixtureWarning")
def test_lake_of_a_released_version_is_resumed_and_added_to(released):
    before = released[NAME].reassemble(on_gap="ignore")
    config = released[NAME].log.events().row(0, named=True)["config"]
    done = lakebatch.resume(released, NAME, jobs=1)
    assert (done.status, done.parts_done, done.rows) == ("completed", 2, 8)
    assert done.config.replace('"nothing"', '"all"') == config
    Path("again.json").write_text(config)
    added = lakebatch.run(released, NAME, config=Path("again.json"), seed=7, jobs=1)
    assert (added.run_number, added.rows) == (3, 8)
    rows = released[NAME].reassemble(on_gap="refuse")
    assert rows.height == 24
    assert rows.filter(assembly_id=before["assembly_id"][0]).equals(before)
    assert {
        name: stored_schema_version("", _properties(table)) for name, table in tables(released).items()
    } == {name: load_schema(name).version for name in tables(released)}


def _properties(table):
    return deltalake.DeltaTable(table.uri).metadata().configuration


READ = """
import sys, polars as pl, lakebatch
assert lakebatch.__file__.startswith(sys.argv[1]), lakebatch.__file__
lake = lakebatch.open_lake("lake")
stored = lake["response-noise"]
added = ["added", "added_names"]
rows = stored.reassemble(on_gap="ignore")
lazily = stored.scan().filter(pl.col("level") == 0.5).select("r2", *added).collect()
frames = [rows, lazily, stored.log.events()]
for name in ("samples", "trajectories"):
    frames += [stored.table(name).at().scan().collect(), lake.sql(f"FROM response_noise.{name}", on_gap="ignore")]
for view in ("response_noise.results", "lake.results", "response_noise.events"):
    frames.append(lake.sql(f"FROM {view}", on_gap="ignore"))
for frame in frames:
    assert frame.height and frame.select(added).null_count().row(0) == (frame.height, frame.height), frame
    assert frame.schema["added"] == pl.Float64 and frame.schema["added_names"] == pl.List(pl.String), frame.schema
assert lake.sql("FROM response_noise.results", on_gap="ignore").columns == rows.columns
first = stored.assemblies()["assembly_id"][0]
assert stored.dataset(first, level=0.5, feature_set="last")[0].height == 12
assert stored.reassemble(version=stored.snapshot(version=1).version, on_gap="ignore").columns == rows.columns
print(rows.height, [stored.table(name).version() for name in ("results", "assemblies", "samples", "trajectories")])
"""


def test_newer_lakebatch_extends_an_older_lake_and_older_ones_refuse_it(released, newer, tmp_path):
    """One test, because each step builds on the one before."""
    versions = [
        table.version()
        for table in map(released[NAME].table, ("results", "assemblies", "samples", "trajectories"))
    ]
    assert python(newer, READ, str(newer)) == f"8 {versions}\n"  # reading alone changes nothing
    old = released[NAME].reassemble(on_gap="ignore")
    newest = released[NAME].snapshot().version

    code, _, error = command("resume", NAME, "--jobs", "1", site=newer)
    assert code == 0, error
    for name, table in tables(released).items():
        handle = deltalake.DeltaTable(table.uri)
        assert handle.metadata().configuration[SCHEMA_VERSION] == str(load_schema(name).version + 1), name
        assert [field.name for field in handle.schema().fields][-2:] == ADDED
        assert "delta.constraints.added_not_negative" in handle.metadata().configuration
    assert python(newer, READ, str(newer)).startswith("16 ")
    code, out, error = command("reassemble", NAME, "--version", str(newest), "-o", "then.parquet", site=newer)
    assert code == 0, error
    assert pl.read_parquet("then.parquet").drop(ADDED).equals(old)

    for arguments in (("status",), ("sql", "FROM lake.results")):
        code, out, error = command(*arguments)
        assert (code, out) == (1, ""), arguments
        assert re.search(
            r"has schema version (2, this lakebatch knows 1|3, this lakebatch knows 2)\. Install", error
        )
        assert error.count("\n") == 1, error
    first = old["assembly_id"][0]
    for act in (
        lambda: released[NAME].reassemble(),
        lambda: released[NAME].reassemble(version=newest),
        lambda: released[NAME].history(),
        lambda: released[NAME].dataset(first, level=0.5, feature_set="last"),
        lambda: lakebatch.resume(released, NAME),
        lambda: lakebatch.run(released, NAME, preset="smoke"),
    ):
        with pytest.raises(SchemaError, match=r"has schema version [23], this lakebatch knows [12]"):
            act()


@pytest.fixture
def older(results, frame):
    """Return a table of the first version that holds a row."""
    results.append_once("a", lambda state, last: None if last else frame(r2=0.5), {})
    return results


@pytest.fixture
def open_newer(tmp_path, names):
    """Return a function that opens the table as code of the next version does."""
    return lambda schema=NEWER: Table(Storage(str(tmp_path / "lake")), names.folder, schema)


def test_older_table_gets_missing_columns_and_constraints_once(older, open_newer, frame):
    for _ in range(2):
        open_newer().ensure()
    operations = [commit.operation for commit in older.commits()]
    assert operations[3:] == ["SET TBLPROPERTIES", "ADD COLUMN", "ADD CONSTRAINT"]
    wide = frame("q").with_columns(added=pl.lit(-1.0))
    with pytest.raises(SchemaError, match="refuses the rows"):
        open_newer().append_once("b", lambda state, last: wide, {})
    open_newer().append_once(
        "b", lambda state, last: None if last else wide.with_columns(added=pl.lit(2.0)), {}
    )
    assert open_newer().at().scan().sort("part").collect()["added"].to_list() == [None, 2.0]
    assert open_newer().at(2).scan().collect()["added"].to_list() == [None]


@pytest.mark.parametrize("done", ["SET TBLPROPERTIES", "ADD COLUMN"])
def test_interrupted_upgrade_is_completed(older, open_newer, done):
    handle = deltalake.DeltaTable(older.uri)
    handle.alter.set_table_properties({SCHEMA_VERSION: "2"}, raise_if_not_exists=False)
    if done == "ADD COLUMN":
        handle.alter.add_columns([deltalake.Field("added", "double")])
    assert open_newer().at().scan().collect()["added"].to_list() == [None]
    open_newer().ensure()
    assert "added" in [field.name for field in deltalake.DeltaTable(older.uri).schema().fields]
    assert "delta.constraints.added_not_negative" in _properties(older)


def test_upgrade_by_four_processes_beside_an_older_writer_happens_once(
    older, open_newer, frame, run_together, tmp_path
):
    imports = """
from dataclasses import replace
from lakebatch.storage.delta.table import Table
from lakebatch.columns import Column
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage import Storage
first = load_schema("results")
columns = (*first.columns, Column("added", "double", "New.", since=2))
newer = replace(first, version=2, columns=columns, constraints={**first.constraints, "late": "added IS NULL OR added >= 0"})
"""
    imports += f"""
table = Table(Storage({str(tmp_path / "lake")!r}), "90_v1_toy", first)
table.version()  # opens it
"""
    upgrade = f"Table(Storage({str(tmp_path / 'lake')!r}), '90_v1_toy', newer).ensure()"
    write = """
import polars as pl
from datetime import UTC, datetime
from lakebatch.assembly.part_writer import PartWriter
writer = PartWriter(table, "20261123_142230_run002", {})
for index in range(5):
    writer.append(f"part{index}", pl.DataFrame({"repeat": [0]}), datetime.now(UTC))
"""
    run_together(imports, [upgrade] * 4 + [write])
    operations = [commit.operation for commit in older.commits()]
    assert [operations.count(each) for each in ("SET TBLPROPERTIES", "ADD COLUMN")] == [1, 1], operations
    rows = open_newer().at().scan().collect()
    assert sorted(rows["part"]) == ["p", *(f"part{index}" for index in range(5))]
    assert rows["added"].null_count() == 6


def test_older_code_goes_on_with_an_open_table_and_cannot_reopen_it(older, open_newer, open_table, frame):
    open_newer().ensure()
    assert older.append_once("b", lambda state, last: None if last else frame("q"), {})
    assert sorted(older.at().scan().collect()["part"]) == ["p", "q"]
    assert open_newer().at().scan().collect()["added"].to_list() == [None, None]
    assert _properties(older)[SCHEMA_VERSION] == "2"
    for act in (
        open_table().ensure,
        open_table().at,
        open_table().version,
        lambda: open_table().append_once("c", lambda state, last: frame(), {}),
    ):
        with pytest.raises(SchemaError, match=r"has schema version [23], this lakebatch knows [12]"):
            act()


def test_constraint_that_older_rows_break_is_refused(older, open_newer):
    with pytest.raises(StorageError, match="Cannot set the constraints of"):
        open_newer(replace(NEWER, constraints={"late": "r2 IS NULL OR r2 < 0"})).ensure()


def test_foreign_table_is_not_upgraded(older, open_newer):
    shutil.rmtree(older.uri)
    deltalake.write_deltalake(older.uri, pl.DataFrame({"part": ["a"]}))
    with pytest.raises(SchemaError, match="is not a table of lakebatch"):
        open_newer().ensure()
    assert deltalake.DeltaTable(older.uri).version() == 0


@pytest.mark.parametrize("value", ["x", "1.0", "-1", "²"])
def test_malformed_schema_version_is_refused(value):
    with pytest.raises(SchemaError, match="Expected a number"):
        stored_schema_version("lake/t", {SCHEMA_VERSION: value})


HEAD = 'table = "t"\nversion = {version}\ndescription = "For tests."\npartition_by = []\n'
COLUMN = '[[columns]]\nname = "a"\ntype = "long"\ncomment = "An a."\n{more}\n[constraints]\n{rules}\n'


def test_schema_names_the_version_that_added_each_item():
    text = HEAD.format(version=2) + COLUMN.format(
        more="since = 2", rules='r = {rule = "a > 0", since = 2}\ns = "a < 9"'
    )
    schema = parse_schema(text)
    assert [column.name for column in schema.late] == ["a"]
    assert (schema.constraints, schema.late_constraints) == ({"r": "a > 0", "s": "a < 9"}, {"r": 2})


@pytest.mark.parametrize(
    ("version", "more", "rules", "fault"),
    [
        (1, "since = 2", "", "'a' is since 2, expected 1 to 1"),
        (1, "since = 0", "", "'a' is since 0, expected 1 to 1"),
        (2, "since = 2\nnullable = false", "", "column 'a' was added later and must be nullable"),
        (1, "", 'r = {rule = "a > 0", since = 3}', "'r' is since 3, expected 1 to 1"),
    ],
)
def test_schema_with_an_impossible_version_is_refused(version, more, rules, fault):
    with pytest.raises(SchemaError, match=fault):
        parse_schema(HEAD.format(version=version) + COLUMN.format(more=more, rules=rules))


def test_assembly_has_a_field_for_every_column():
    assert list(COLUMNS) == [column.name for column in load_schema("assemblies").columns]
