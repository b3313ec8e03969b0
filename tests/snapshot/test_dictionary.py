"""The data dictionary: every table and column with its meaning, from the tables alone."""

import json
import re
import shutil
from pathlib import Path

import polars as pl
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


def test_built_in_dictionary_equals_the_schemas():
    found = dictionary.built_in()
    assert sorted(found.names) == sorted(built_in_tables())
    assert found.names[: len(DATA)] == DATA
    for table in found:
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
