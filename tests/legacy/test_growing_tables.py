"""Several processes that add columns to one table at the same time."""

from lakebatch.legacy.frames.columns import original
from lakebatch.legacy.frames.table import FrameTable
from lakebatch.storage import Storage


def test_writers_that_add_columns_at_once_lose_nothing(tmp_path, run_together):
    imports = """
from datetime import UTC, datetime
import polars as pl
from lakebatch.legacy.frames.table import FrameTable
from lakebatch.storage import Storage
table = FrameTable(Storage("lake"), "01_v1_trial", "saved")
"""
    values = ["[1]", "[0.5]", "['x']"]
    scripts = [
        f"for i in range(2): table.append(f'20261125_080000_run{number}0{{i}}', 'p', "
        f"pl.DataFrame({{'x': {value}, f'own{number}_{{i}}': [i]}}), datetime.now(UTC), {{}})"
        for number, value in enumerate(values)
    ]
    run_together(imports, scripts)
    table = FrameTable(Storage(str(tmp_path / "together" / "lake")), "01_v1_trial", "saved")
    ids = [f"20261125_080000_run{number}0{i}" for number in range(3) for i in range(2)]
    rows = table.read(ids)
    assert rows["assembly_id"].to_list() == ids
    stored = [name for name in rows.columns if original(name) == "x"]
    found = [[value for value in row if value is not None] for row in rows.select(stored).rows()]
    assert found == [[1]] * 2 + [[0.5]] * 2 + [["x"]] * 2
