"""The data dictionary: every table and column with its meaning, from the tables alone."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.dictionary_view import lines
from lakebatch.cli.main import main
from lakebatch.cli.sql_prompt import _completer
from lakebatch.columns import DATA, built_in_tables
from lakebatch.columns import built_in as document
from lakebatch.errors import UnknownNameError
from lakebatch.snapshot import dictionary, plain_words
from lakebatch.snapshot.dictionary_text import notes
from lakebatch.sql.session import Session

FILE = Path(__file__).parents[1] / "estimate_pi.py"


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory):
    """Return a folder with a lake of ``estimate-pi``, which has own columns and tables, without its code."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "experiments").mkdir()
    shutil.copy(FILE, folder / "experiments" / "estimate_pi.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lakebatch.run(
            lakebatch.open_lake("lake"), "estimate-pi", settings=["points=[10]", "repeats=2"], jobs=1
        )
    shutil.rmtree(folder / "experiments")
    return folder


@pytest.fixture
def own_lake(own_folder, monkeypatch):
    monkeypatch.chdir(own_folder)
    return lakebatch.open_lake("lake")


def shown(*arguments):
    result = CliRunner().invoke(main, ["schema", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def saved(*arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output


def test_dictionary_has_the_table_published_as_it_is_stored(own_lake):
    stated = own_lake["estimate-pi"].schema()["published"]
    stored = own_lake["estimate-pi"].table("published").at().file_schema()
    assert [each.name for each in stated.columns] == [each.name for each in stored]
    assert stated.written
    assert stated.rows == own_lake["estimate-pi"].reassemble().height
    points, error = stated["config_points"], stated["points"]
    assert (points.meaning, points.type) == ("Config key points: Points drawn.", "text")
    assert (error.unit, stated["completed_at"].type) == ("1", "time in UTC")
    assert "config_repeats" in shown("estimate-pi", "--table", "published")
    assert "Name of the experiment." in shown("--table", "published")


def test_built_in_dictionary_equals_the_schemas():
    found = dictionary.built_in()
    assert sorted(found.names) == sorted([*built_in_tables(), "published"])
    assert found.names[: len(DATA)] == DATA
    for table in map(found.__getitem__, built_in_tables()):
        stated = document(table.name)
        assert table.description == stated["description"]
        assert [each.name for each in table.columns] == [each["name"] for each in stated["columns"]]
        for entry, column in zip(table.columns, stated["columns"], strict=True):
            assert entry.meaning == column["comment"]
            assert entry.meaning
            assert (entry.delta_type, entry.unit) == (column["type"], column.get("unit"))
            assert entry.type != entry.delta_type
            assert entry.nullable == column.get("nullable", True)
        assert {each.name for each in table.constraints} == set(stated["constraints"])
    assert found["results"]["pearson_r"].role == "metric"
    assert (found["results"]["level"].role, found["results"]["level"].baseline) == ("axis", 0.0)
    assert found["samples"]["assembly_id"].refers_to == "assemblies.assembly_id"


def test_constraints_are_words():
    for table in dictionary.built_in():
        for each in table.constraints:
            assert not re.search(r"[<>=()']|\b(AND|OR|IS|IN)\b", each.meaning), each
    assert (
        plain_words.of_rule("a IS NULL OR (a >= 1.0 AND a <= 2.5)")
        == "a is NULL, or at least 1 and at most 2.5"
    )


def test_references_lead_to_columns():
    found = dictionary.built_in()
    for each in (column.refers_to for table in found for column in table.columns if column.refers_to):
        table, column = each.split(".")
        assert found[table][column]


def test_own_columns_and_tables_need_no_code(own_lake):
    found = own_lake["estimate-pi"].schema()
    assert found["curves"].own
    assert found["curves"].rows == 2
    assert found["curves"].description == "One row per repeat."
    points = found["results"]["points"]
    assert (points.role, points.meaning, points.minimum, points.own) == ("axis", "Points drawn.", 1, True)
    error = found["results"]["error_of_pi"]
    assert (error.role, error.better, error.label) == ("metric", "lower", "|estimate - π|")
    assert found["results"]["pearson_r"].role is None
    assert "points is NULL, or at least 1" in [each.meaning for each in found["results"].constraints]
    assert all(column.meaning for table in found for column in table.columns)
    with pytest.raises(UnknownNameError, match="curves"):
        own_lake["estimate-pi"].schema("curve")


def test_a_past_state_has_the_columns_of_then(own_lake):
    then = own_lake["estimate-pi"].schema(version=0)
    assert "curves" not in then.names
    assert then["results"].rows == 0


def test_columns_are_those_of_datasets(own_lake):
    found = own_lake["estimate-pi"].schema()
    for name in ("results", "curves"):
        columns = [each.name for each in found[name].columns if each.in_datasets]
        assert columns == own_lake["estimate-pi"].reassemble(table=name).columns


def test_json_is_stable_and_whole(own_lake):
    found = json.loads(shown("estimate-pi", "--format", "json"))
    assert list(found) == ["format", "tables", "experiment", "version", "state"]
    assert (found["format"], found["experiment"], found["version"]) == (1, "estimate-pi", "v1")
    assert list(found["tables"][0]) == [
        "name", "description", "columns", "constraints", "partition_by", "written", "rows", "own",
    ]  # fmt: skip
    assert list(found["tables"][0]["columns"][0]) == [
        "name", "type", "delta_type", "sql_type", "unit", "nullable", "meaning", "label", "better", "minimum",
        "maximum", "role", "baseline", "refers_to", "own", "in_datasets",
    ]  # fmt: skip
    assert list(found["tables"][0]["constraints"][0]) == ["name", "rule", "meaning"]


def test_markdown_and_csv_have_every_column(own_lake):
    assert shown("estimate-pi", "--table", "curves", "--format", "markdown").splitlines()[:8] == [
        "# Data dictionary: estimate-pi@v1, version 2",
        "",
        "## curves",
        "",
        "One row per repeat.",
        "",
        "| column | type | unit | NULL | meaning |",
        "|---|---|---|---|---|",
    ]
    frame = pl.read_csv(shown("estimate-pi", "--format", "csv").encode())
    assert frame.height == sum(len(table.columns) for table in own_lake["estimate-pi"].schema())


def test_schema_needs_neither_a_lake_nor_a_run(tmp_path, monkeypatch):
    (tmp_path / "experiments").mkdir()
    shutil.copy(FILE, tmp_path / "experiments" / "estimate_pi.py")
    monkeypatch.chdir(tmp_path)
    assert "One row per fit" in shown()
    declared = shown("estimate-pi")
    assert "estimate-pi@v1, as declared, without a run" in declared
    assert "Points drawn. Role: axis. Range: at least 1." in declared
    assert "curves: One row per repeat." in declared
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("width", [40, 80, 160])
def test_lines_fit_the_terminal_and_cut_nothing(width, monkeypatch):
    monkeypatch.setattr("lakebatch.cli.dictionary_view.terminal_width", lambda: width)
    found = list(lines(dictionary.built_in()))
    assert max(map(len, found)) <= width
    words = re.sub(r"\s+", "", "".join(found))
    if width > 40:
        assert all(re.sub(r"\s+", "", table.description) in words for table in dictionary.built_in())


@pytest.mark.parametrize("width", [40, 80, 160])
def test_lines_hold_the_whole_meaning_of_each_column(width, monkeypatch):
    monkeypatch.setattr("lakebatch.cli.dictionary_view.terminal_width", lambda: width)
    for table in dictionary.built_in():
        for column in table.columns:
            alone = replace(table, columns=(column,), constraints=())
            shown_lines = list(lines(dictionary.Dictionary((alone,))))
            head = next(
                place for place, each in enumerate(shown_lines) if each.startswith(f"  {column.name} ")
            )
            text = " ".join(" ".join(shown_lines[head:]).split())
            assert notes(column) in text, (table.name, column.name)


def test_every_view_and_column_has_a_comment_in_sql(own_lake):
    missing = own_lake.sql(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal"
    )
    assert missing.rows() == []
    views = own_lake.sql("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    assert views["comment"].null_count() == 0
    assert dict(views.iter_rows())["curves"] == "One row per repeat."
    described = own_lake.sql("DESCRIBE estimate_pi.results")
    meanings = dict(described.select("column_name", "comment").iter_rows())
    assert meanings["fit_seconds"] == "Wall time of the fit. [s]"
    assert meanings["points"] == "Points drawn."
    assert described.columns[:6] == ["column_name", "column_type", "null", "key", "default", "extra"]
    with own_lake.connect() as connection:
        assert (
            connection.sql("SELECT comment FROM duckdb_columns() WHERE column_name = 'running'").fetchall()
            == [("Running mean.",)] * 2
        )


def test_completion_of_the_prompt_shows_meanings(own_lake):
    with Session(own_lake.snapshot()) as session:
        completer = _completer(session)
    assert completer.meta_dict["points"] == "bigint: Points drawn."
    assert completer.meta_dict["estimate_pi.curves"] == "One row per repeat."
    assert "SELECT" in completer.words
    assert "running" in completer.words


def described_in(file):
    """Return the metadata of the fields of a Parquet or Arrow file, by column."""
    schema = pq.read_schema(file) if file.endswith(".parquet") else pa.ipc.open_file(file).schema
    return {each.name: each.metadata or {} for each in schema}


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_exported_tables_carry_meaning_and_unit(own_lake, ending, tmp_path):
    for table in own_lake["estimate-pi"].schema():
        if table.own or (table.name in DATA and table.rows):
            file = f"{tmp_path}/{table.name}{ending}"
            saved("reassemble", "estimate-pi", "--table", table.name, "-o", file)
            found = described_in(file)
            assert set(found) == {each.name for each in table.columns if each.in_datasets}
            for name, metadata in found.items():
                assert metadata[b"comment"].decode() == table[name].meaning
                assert metadata.get(b"unit", b"").decode() == (table[name].unit or "")


@pytest.mark.parametrize(
    ("query", "kept", "others"),
    [
        ("FROM estimate_pi.results", {"fit_seconds": "s", "points": "1"}, ()),
        ("SELECT r.fit_seconds FROM estimate_pi_v1.results AS r", {"fit_seconds": "s"}, ()),
        ("SELECT FIT_SECONDS FROM Estimate_Pi.Results", {"fit_seconds": "s"}, ()),
        ("SELECT fit_seconds FROM lake.results WHERE points > 0 ORDER BY 1", {"fit_seconds": "s"}, ()),
        ("SELECT 1000 * fit_seconds AS fit_seconds FROM estimate_pi.results", {}, ["fit_seconds"]),
        ("SELECT mse AS fit_seconds, points FROM estimate_pi.results", {"points": "1"}, ["fit_seconds"]),
        ("SELECT model, count(*) AS mse FROM estimate_pi.results GROUP BY model", {"model": ""}, ["mse"]),
        ("SELECT * EXCLUDE (mse), 2 * mse AS mse FROM estimate_pi.results", {"fit_seconds": "s"}, ["mse"]),
        ("SELECT s.mse, r.r2 FROM estimate_pi.results AS r, (SELECT 1 AS mse) AS s", {"r2": "1"}, ["mse"]),
        ("SELECT * FROM (SELECT 1 AS mse) AS s, estimate_pi.results", {}, ["mse"]),
        ("SELECT * REPLACE (2 * mse AS mse) FROM estimate_pi.results", {}, ["mse", "fit_seconds"]),
        ("SELECT fit_seconds FROM (SELECT mse AS fit_seconds FROM estimate_pi.results)", {}, ["fit_seconds"]),
        ("WITH r AS (SELECT mse AS fit_seconds FROM estimate_pi.results) FROM r", {}, ["fit_seconds"]),
    ],
)
def test_answers_in_files_describe_the_columns_that_they_keep(own_lake, query, kept, others, tmp_path):
    file = f"{tmp_path}/x.parquet"
    saved("sql", query, "-o", file)
    found = {name.lower(): metadata for name, metadata in described_in(file).items()}
    assert {name: found[name].get(b"unit", b"").decode() for name in kept} == kept
    assert all(b"comment" in found[name] for name in kept)
    assert [name for name in others if found[name]] == []


def test_a_file_beside_csv_describes_the_columns(own_lake, tmp_path):
    file = tmp_path / "x.csv"
    saved("reassemble", "estimate-pi", "-o", str(file))
    found = json.loads((tmp_path / "x.csv.json").read_text())["columns"]
    assert found["fit_seconds"] == {"comment": "Wall time of the fit.", "unit": "s"}
    assert list(found) == pl.read_csv(file).columns


@pytest.mark.parametrize(
    "name",
    [
        "estimate_pi.results", "memory.estimate_pi.results", "Estimate_PI.Results", '"estimate_pi"."results"',
        '"memory"."Estimate_pi".results', "estimate_pi_v1.results", "lake.results",
    ],
)  # fmt: skip
def test_describe_takes_every_way_to_write_a_name(own_lake, name):
    for text in (f"DESCRIBE {name}", f"desc {name};"):
        found = dict(own_lake.sql(text).select("column_name", "comment").iter_rows())
        assert found["fit_seconds"] == "Wall time of the fit. [s]"


def test_comments_are_made_only_for_queries_that_can_show_them(own_lake):
    count = "SELECT count(*) AS n FROM duckdb_columns() WHERE NOT internal AND comment IS NOT NULL"
    with Session(own_lake.snapshot()) as session:
        session.answer("SELECT count(*) FROM estimate_pi.results")
        made = session._connection.execute(count).fetchone()[0]
        assert made == 0
        assert session.answer(count)["n"].item() > 100


def test_a_tag_has_the_columns_of_then(tmp_path, monkeypatch):
    """A column that the experiment declares later is not in the dictionary of a tag before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    file = tmp_path / "experiments" / "estimate_pi.py"
    shutil.copy(FILE, file)
    lake = lakebatch.open_lake("lake")
    settings = ["points=[10]", "repeats=1"]
    lakebatch.run(lake, "estimate-pi", settings=settings, jobs=1)
    lake["estimate-pi"].tag("before")
    later = 'column("later", "string", "Declared later."),'
    file.write_text(file.read_text().replace('column("method"', f'{later} column("method"', 1))
    lakebatch.run(lake, "estimate-pi", settings=settings, jobs=1)
    names = [
        [each.name for each in lake["estimate-pi"].schema(**at)["results"].columns]
        for at in ({}, {"tag": "before"})
    ]
    assert set(names[0]) - set(names[1]) == {"later"}
    assert set(names[1]) <= set(names[0])
