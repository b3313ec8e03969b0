"""Columns and metrics that an experiment declares: written, described, grown and read."""

import re
import shutil
import threading
from pathlib import Path

import deltalake
import duckdb
import pytest

import lakebatch
from lakebatch.assembly.missing_metrics import KEY
from lakebatch.errors import AssemblyError, SchemaError
from lakebatch.experiment.declare import column, metric
from lakebatch.runner import run as runner
from lakebatch.runner.verify import verify
from lakebatch.sql.catalog import setup
from lakebatch.storage.delta import table_format
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.table import Table

FILE = Path(__file__).parents[1] / "estimate_pi.py"
SETTINGS = ["points=[10, 20]", "repeats=3"]
SMALL = ["points=[10]", "repeats=2"]
MORE = {
    'metric("hits"': 'metric("shots", "Points drawn, as a metric."),\n        metric("hits"',
    '"error_of_pi", "hits"]\n': '"error_of_pi", "hits", "shots"]\n',
    "hits.mean()))": "hits.mean(), 1.0))",
    '[column("running"': '[column("last", "double", "Last mean."), column("running"',
    '{"running": curves}': '{"running": curves, "last": [each[-1] for each in curves]}',
}
"""Changes of the experiment that add a metric, and a column to its own table."""
pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")


@pytest.fixture
def name(tmp_path, monkeypatch):
    """Return the name of an experiment with metrics, an axis and a table of its own."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    shutil.copy(FILE, folder)
    monkeypatch.chdir(tmp_path)
    return "estimate-pi"


def change(*changes, **named):
    """Write the experiment with some texts replaced by others."""
    text = FILE.read_text()
    for before, after in dict(*changes, **named).items():
        assert before in text
        text = text.replace(before, after)
    Path("experiments", FILE.name).write_text(text)


def run(lake, name, settings=SMALL):
    done = runner.run(lake, name, settings=settings, jobs=1, seed=3)
    assert done.status == "completed", done.error
    return done


def test_own_columns_and_tables_are_written_and_described(lake, name):
    run(lake, name, SETTINGS)
    snapshot = lake.snapshot()[name]
    rows = snapshot.reassemble()
    assert rows.columns[: len(load_schema("results").columns)] == [
        each.name for each in load_schema("results").columns
    ]
    assert rows.columns[-4:] == ["points", "method", "error_of_pi", "hits"]
    assert rows["error_of_pi"].null_count() == 0
    assert rows["points"].unique().sort().to_list() == [10, 20]
    roles = snapshot.roles
    assert (roles.names, roles.axis.name, roles.axis.baseline) == (("error_of_pi", "hits"), "points", None)
    assert roles.groups == ("method",)
    assert (roles.default.label, roles.default.higher_is_better) == ("|estimate - π|", False)
    curves = deltalake.DeltaTable(str(Path(lake[name].results.uri).with_name("curves")))
    assert curves.to_pyarrow_table().num_rows == 2 * 3


def test_added_metric_is_null_in_older_rows_and_in_rows_of_older_code(lake, name):
    first = run(lake, name)
    change(MORE)
    second = run(lake, name)
    change()
    third = run(lake, name)
    stored = lake[name]
    rows = stored.reassemble(on_gap="ignore")
    shots = {key[0]: group["shots"].to_list() for key, group in rows.group_by("assembly_id")}
    assert shots == {
        first.assembly_id: [None] * 4,
        second.assembly_id: [1.0] * 4,
        third.assembly_id: [None] * 4,
    }
    assert [each.surroundings[KEY]["rows"] for each in stored.snapshot().assemblies] == [0, 0, 0]
    # a past state has the columns and the metrics of then
    past = stored.snapshot(version=first.results_version)
    assert "shots" not in past.reassemble().columns
    assert past.roles.names == ("error_of_pi", "hits")
    assert past.reassemble().columns == past.scan().collect_schema().names()
    assert "shots" not in stored.results.at(first.results_version).scan().collect_schema().names()
    # code of today finds the rows of code that declared less unchanged, and replicates of before agree
    assert stored.replicates()["agrees"].to_list() == [True, True, True]
    change(MORE)
    assert verify(lake, name, first.assembly_id, jobs=1).reproduced
    assert "reproduced" in str(verify(lake, name, third.assembly_id, jobs=1))


CONTRADICTIONS = (
    ('"method", "string"', '"method", "long"', "the type of column 'method' is string, .* declares long"),
    ("maximum=1", "maximum=2", "the maximum of column 'hits' is 1.0, the experiment declares 2"),
    ('Share of hits."', 'Share of hits.", unit="%"', "the unit of column 'hits' is 1, .* declares %"),
    ('Share of hits."', 'Share of hits.", higher_is_better=False', "the direction of column 'hits' is"),
    ('"running", "list<double>"', '"running", "double"', "the type of column 'running' is list<double>"),
)


def test_contradiction_to_rows_is_refused_before_anything_is_computed(lake, name):
    def versions():
        return [lake[name].table(each).version() for each in ("results", "curves", "assemblies")]

    run(lake, name)
    before = versions()
    for old, new, what in CONTRADICTIONS:
        change({old: new})
        with pytest.raises(SchemaError, match=f"{what}.*raise the version"):
            runner.run(lake, name, settings=SMALL, jobs=1)
    assert versions() == before
    change({"maximum=1": "maximum=2", '"v1"': '"v2"'})
    run(lake, name)
    rows = [lake[f"{name}@{version}"].reassemble() for version in ("v1", "v2")]
    assert rows[0].drop("assembly_id", "recorded_at").equals(rows[1].drop("assembly_id", "recorded_at"))


def test_label_meaning_and_roles_follow_the_newest_code(lake, name):
    run(lake, name)
    change({'"hits", "Share of hits."': '"hits", "Part of hits.", label="HITS"'})
    run(lake, name)
    stored = lake[name]
    assert stored.snapshot().roles.metric("hits").label == "HITS"
    assert stored.results.at().described_columns["hits"].comment == "Part of hits."
    change({'axis = "points"': 'axis = "level"\n    metrics = ("hits",)'})
    run(lake, name)
    roles = stored.snapshot().roles
    assert (roles.axis.name, roles.axis.baseline, roles.names) == ("level", 0.0, ("hits", "error_of_pi"))
    assert roles.metric("hits").label == "hits"
    commits = len(stored.results.commits())
    run(lake, name)
    assert len(stored.results.commits()) == commits + 1  # nothing is described again


def test_resumed_assembly_has_a_column_that_was_added_meanwhile(lake, name):
    change(
        {"        rows, curves = [], []": "        rows, curves = [], []\n        assert self.unit != 'rows'"}
    )
    failed = runner.run(lake, name, settings=SMALL, jobs=1)
    assert failed.status == "failed"
    change(MORE)
    with pytest.raises(AssemblyError, match="begun with other code"):
        runner.resume(lake, name, failed.assembly_id, jobs=1)
    resumed = runner.resume(lake, name, failed.assembly_id, jobs=1, accept_changes=True)
    assert resumed.status == "completed"
    assert lake[name].reassemble(on_gap="ignore")["shots"].to_list() == [1.0] * 4


def test_null_metric_needs_a_reason_and_a_config_can_decide_the_columns(lake, name):
    change(
        {
            "error, hits.mean()": "None, hits.mean()",
            "    def parts(self": "    def own_columns(self, config):\n"
            "        return self.columns if config.repeats < 9 else self.columns[:2]\n\n    def parts(self",
        }
    )
    failed = runner.run(lake, name, settings=["points=[10]", "repeats=9"], jobs=1)
    assert "column 'error_of_pi' is not in schemas/results.toml" in failed.error
    failed = runner.run(lake, name, settings=SMALL, jobs=1)
    assert "column 'error_of_pi' is NULL in 4 rows in which 'error' says nothing" in failed.error
    reason = (
        '"results": pl.DataFrame(rows, schema=names, orient="row").with_columns(error=pl.lit("a reason")),'
    )
    change(
        {
            "error, hits.mean()": "None, hits.mean()",
            '"results": pl.DataFrame(rows, schema=names, orient="row"),': reason,
        }
    )
    done = run(lake, name)
    assert done.surroundings[KEY]["rows"] == 4


def test_value_out_of_its_range_fails_its_part(lake, name):
    change({"error, hits.mean()": "error, 1.5 + hits.mean()"})
    failed = runner.run(lake, name, settings=SMALL, jobs=1)
    assert failed.status == "failed"
    assert re.search("column 'hits' has the maximum 1, and 4 values are beyond it, such as 2", failed.error)
    assert not any(lake[name].table(each).at().rows_by_assembly for each in ("results", "curves"))


def grown(*columns):
    return load_schema("results").extended(columns, {})


def test_kill_between_two_changes_of_a_table_is_made_up_for(lake, monkeypatch):
    Table(lake.storage, "20_v1_a", load_schema("results")).ensure()
    schema = grown(metric("auc", "Area.", minimum=0, maximum=1), column("note", "string", "Note."))
    for last in list(table_format.CHANGES)[:-1]:

        def killed(handle, schema):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            names = list(table_format.CHANGES)
            following = names[names.index(last) + 1]
            patch.setitem(table_format.CHANGES, following, killed)
            with pytest.raises(KeyboardInterrupt):
                Table(lake.storage, "20_v1_a", schema).ensure()
    table = Table(lake.storage, "20_v1_a", schema)
    table.ensure()
    assert table.at().columns()[-2:] == ["auc", "note"]
    assert table.at().properties["delta.constraints.auc_in_range"] == "auc IS NULL OR auc >= 0 AND auc <= 1"
    commits = len(table.commits())
    table.ensure()
    assert len(table.commits()) == commits


def test_processes_that_add_columns_at_once_all_succeed_or_are_refused(lake):
    Table(lake.storage, "20_v1_a", load_schema("results")).ensure()
    own = [
        (metric("auc", "Area.", minimum=0), column(f"note_{index}", "string", "Note.")) for index in range(4)
    ]
    schemas = [grown(*columns) for columns in own] + [grown(column("auc", "string", "Other."))]
    refused = []

    def ensure(schema):
        try:
            Table(lake.storage, "20_v1_a", schema).ensure()
        except SchemaError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=ensure, args=(schema,)) for schema in schemas]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    columns = Table(lake.storage, "20_v1_a", load_schema("results")).at().described_columns
    if columns["auc"].type == "double":
        assert len(refused) == 1
        assert {f"note_{index}" for index in range(4)} <= columns.keys()
    else:
        assert len(refused) == 4
    assert all("the type of column 'auc' is" in each for each in refused)


def test_columns_of_one_name_and_several_types_do_not_break_sql(lake, name):
    run(lake, name)
    change(
        {
            '"estimate-pi"': '"other-pi"',
            'number = "20"': 'number = "21"',
            'column("method", "string"': 'column("method", "list<double>"',
            'groups = ("method",)': 'groups = ("model",)',
            'column("points", "long"': 'column("points", "double"',
            "rows.append((len(points), method,": "rows.append((float(len(points)), [1.0],",
        }
    )
    Path("experiments", FILE.name).rename("experiments/other_pi.py")
    run(lake, "other-pi")
    query = "SELECT DISTINCT experiment, points, method FROM lake.results ORDER BY ALL"
    expected = [
        ("estimate-pi", 10.0, "antithetic"),
        ("estimate-pi", 10.0, "uniform"),
        ("other-pi", 10.0, "[1.0]"),
    ]
    assert lake.sql(query).rows() == expected
    assert lake.sql("SELECT DISTINCT method FROM other_pi.results").rows() == [([1.0],)]
    with duckdb.connect() as connection:
        connection.execute(setup(lake.snapshot()))
        assert connection.sql(query).fetchall() == expected
    comments = lake.sql("SELECT comment FROM duckdb_columns() WHERE column_name = 'hits' AND comment <> ''")
    assert set(comments["comment"]) == {"Share of hits."}


def test_lake_of_an_earlier_release_gets_own_columns(tmp_path, name):
    source = Path(__file__).parents[1] / "fixtures" / "lake_0_1_0" / "lake"
    shutil.copytree(source, tmp_path / "lake")
    lake = lakebatch.open_lake(tmp_path / "lake")
    folder = next(each.folder for each in lake.experiments())
    before = lake[folder].reassemble(on_gap="ignore")
    Table(lake.storage, folder, grown(metric("auc", "Area."))).ensure()
    after = lakebatch.open_lake(tmp_path / "lake")[folder].reassemble(on_gap="ignore")
    assert after.drop("auc").equals(before)
    assert after["auc"].null_count() == after.height
