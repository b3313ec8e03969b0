"""Columns, metrics and tables that an experiment declares."""

import shutil
from pathlib import Path

import deltalake
import pytest

from lakebatch.errors import ExperimentError
from lakebatch.runner import run as runner
from lakebatch.storage.delta.schema import load_schema

FILE = Path(__file__).parents[1] / "estimate_pi.py"
SETTINGS = ["points=[10, 20]", "repeats=3"]


@pytest.fixture
def name(tmp_path, monkeypatch):
    """Return the name of an experiment with metrics, an axis and a table of its own."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    shutil.copy(FILE, folder)
    monkeypatch.chdir(tmp_path)
    return "estimate-pi"


def test_own_columns_and_tables_are_written_and_described(lake, name):
    assembly = runner.run(lake, name, settings=SETTINGS, jobs=1)
    assert assembly.status == "completed"
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


def test_own_column_of_a_built_in_name_is_refused(lake, name, tmp_path):
    file = tmp_path / "experiments" / FILE.name
    file.write_text(file.read_text().replace('"method", "string"', '"model", "string"'))
    with pytest.raises(ExperimentError, match="has a column 'model' already"):
        runner.run(lake, name, settings=SETTINGS, jobs=1)
