"""Columns, tables, metrics, axis and groups that an experiment or its project declares, checked when it is loaded."""

import shutil
from pathlib import Path

import pytest

from lakebatch.columns import column, metric, table, table_names
from lakebatch.errors import ConfigError, ExperimentError, LakebatchError
from lakebatch.experiment import registry
from lakebatch.runner import run as runner

FILE = Path(__file__).parents[1] / "estimate_pi.py"
TABLE = """        table(
            "curves", "One row per repeat.", [column("running", "list<double>", "Running mean.", unit="1")]
        ),"""
SHOTS = '[[columns]]\nname = "shots"\ntype = "long"\ncomment = "Points drawn."\n'
FAULTS = {
    "list": ('groups = ("method",)', 'groups = ["method"]', "groups is list ['method']. Expected a tuple."),
    "no tuple": ('groups = ("method",)', 'groups = ("method")', "Write ('method',)."),
    "group": ('groups = ("method",)', 'groups = ("methd",)', "no column of results. Did you mean 'method'?"),
    "axis": ('axis = "points"', 'axis = "point"', "axis names 'point', which is no column of results."),
    "axis number": ('axis = "points"', "axis = 3", "axis is int 3. Expected the name of a column."),
    "metric": ('axis = "points"', 'metrics = ("hit",)', "metrics names 'hit', which is no column of results."),
    "metric twice": ('axis = "points"', 'metrics = ("hits", "hits")', "metrics names 'hits' twice."),
    "string metric": ('axis = "points"', 'metrics = ("method",)', "'method', a column of type string."),
    "baseline": ('axis = "points"', 'axis = "method"\n    baseline = 0', "the axis 'method' is of type string"),
    "baseline type": ('axis = "points"', 'baseline = "a"', "baseline is str 'a'. Expected a number"),
    "filled in": ('column("method"', 'column("assembly_id"', "which lakebatch fills in. Leave it out."),
    "in views": ('column("method"', 'column("config_hash"', "'config_hash', a name that SQL views add."),
    "built in": ('column("method"', 'column("model"', "results.toml has a column 'model' already."),
    "keyword": ('column("method"', 'column("select"', "column 'select' has the name of a word of SQL."),
    "upper case": ('column("method"', 'column("Method"', "expected a name of lower-case letters"),
    "twice": ('column("method"', 'column("points"', "columns declares 'points' twice."),
    "type": ('"string", "Way', '"str", "Way', "column 'method' has the type 'str'. Expected one of: string"),
    "bound": ("minimum=1", 'minimum="1"', "column 'points' has the minimum '1'. Expected a finite number."),
    "no column": ("columns = (", "columns = (3,", "columns has 3. Expected column(...) or metric(...)."),
    "unknown table": ('),\n        "results",', '),\n        "result",', "tables names 'result', which is no table"),
    "last": (TABLE, f'        "results",\n{TABLE}', "tables names 'results' twice."),
    "not last": ('),\n        "results",', "),", "tables is curves. Expected 'results' as the last"),
    "taken": ('"curves", "One', '"configs", "One', "table 'configs' has a name that lakebatch uses."),
    "built-in table": ('"curves", "One', '"tags", "One', "table 'tags' has a name that lakebatch uses."),
    "own part": ('column("running"', 'column("part"', "table 'curves' declares 'part', which lakebatch fills"),
}  # fmt: skip
FILE_FAULTS = {
    "unknown key": (
        SHOTS.replace("comment", "meaning"),
        "schemas/results.toml, column 'shots': unknown key 'meaning'.",
    ),
    "missing": ('[[columns]]\nname = "shots"\n', "column 'shots': type is missing."),
    "type": (SHOTS.replace("long", "lng"), "schemas/results.toml, column 'shots' has the type 'lng'."),
    "metric type": (f"{SHOTS}higher_is_better = true\n", "A metric (higher_is_better) is a double."),
    "no TOML": ("x = [", "schemas/results.toml: "),
    "other table": (f'table = "res"\n{SHOTS}', "table is 'res'. Expected 'results', as the file."),
    "no columns": ('description = "x"', "columns is None. Expected tables [[columns]]."),
    "no text": (b"\xff\xfe\x00", "Cannot read"),
    "doubled": (SHOTS.replace("shots", "hits"), "columns, with schemas/results.toml, declares 'hits' twice."),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes the experiment with a text replaced, and files of schemas, and loads it."""
    for name in ("experiments", "schemas"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)

    def load(before="", after="", **schemas):
        text = FILE.read_text()
        assert before in text
        Path("experiments", FILE.name).write_text(text.replace(before, after) if before else text)
        shutil.rmtree("schemas")
        Path("schemas").mkdir()
        for name, content in schemas.items():
            content = content.encode() if isinstance(content, str) else content
            Path("schemas", f"{name}.toml").write_bytes(content)
        return registry.load(registry.get("estimate-pi"))

    return load


def test_declaration_that_cannot_be_used_is_one_line(project):
    assert project().axis == "points"
    for before, after, expected in FAULTS.values():
        with pytest.raises(ExperimentError) as caught:
            project(before, after)
        line = str(caught.value)
        assert expected in line, (after, line)
        assert "experiments/estimate_pi.py: " in line
        assert "\n" not in line


def test_file_of_schemas_that_cannot_be_used_is_one_line(project):
    for content, expected in FILE_FAULTS.values():
        with pytest.raises(LakebatchError) as caught:
            project(results=content)
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"schemas/samples.toml: samples is a table of lakebatch"):
        project(samples=SHOTS)
    with pytest.raises(ExperimentError, match=r"by the experiment and by schemas/curves.toml"):
        project(curves=SHOTS)
    with pytest.raises(ConfigError, match=r"schemas/curves.toml: table 'curves' has the description None"):
        project(TABLE, '        "curves",', curves=SHOTS)


def test_files_of_schemas_declare_columns_and_tables_like_code(project, lake):
    running = 'description = "One row per repeat."\n[[columns]]\nname = "running"\ntype = "list<double>"\n'
    running += 'comment = "Running mean."\nunit = "1"\n'
    loss = '[[columns]]\nname = "loss"\ntype = "double"\ncomment = "Loss."\nhigher_is_better = false\nminimum = 0\n'
    in_code = project()
    in_files = project(TABLE, '        "curves",', curves=running, results=SHOTS + loss)
    assert in_files.tables == in_code.tables
    assert table_names(in_files.tables) == ("curves", "results")
    assert in_files.project_columns == (
        column("shots", "long", "Points drawn."),
        metric("loss", "Loss.", higher_is_better=False, minimum=0),
    )
    assert runner.run(lake, "estimate-pi", settings=["points=[10]", "repeats=1"], jobs=1).rows == 2
    snapshot = lake["estimate-pi"].snapshot()
    assert snapshot.roles.names == ("error_of_pi", "hits", "loss")
    assert snapshot.reassemble().columns[-2:] == ["shots", "loss"]
    assert snapshot.reassemble(table="curves").height == 1


@pytest.mark.parametrize(
    ("declare", "what"),
    [
        (lambda: column("x", "long", ""), "has the meaning ''. Expected a sentence"),
        (lambda: column("x", "long", "X.", unit=""), "has the unit ''. Expected a string"),
        (lambda: column("x", "string", "X.", minimum=0), "is of type string and cannot have bounds"),
        (lambda: column("x", "double", "X.", minimum=float("nan")), "minimum nan. Expected a finite number"),
        (lambda: metric("x", "X.", minimum=2, maximum=1), "the minimum 2 above its maximum 1"),
        (lambda: metric("x", "X.", higher_is_better="no"), "higher_is_better = 'no'. Expected True or False"),
        (lambda: column(3, "long", "X."), "column 3: expected a name of lower-case letters"),
        (lambda: table("t", "T.", []), "table 't' has no columns"),
        (lambda: table("t", "T.", "abc"), "has the columns 'abc'. Expected a list of column"),
        (lambda: table("table", "T.", [column("x", "long", "X.")]), "has the name of a word of SQL"),
    ],
)
def test_value_that_cannot_be_declared_is_named(declare, what):
    with pytest.raises(ExperimentError) as caught:
        declare()
    assert what in str(caught.value)
