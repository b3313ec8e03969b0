"""The files of a dataset give other engines exactly its rows."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pytest

import lakebatch
from lakebatch.errors import AssemblyError, MissingDependencyError, UnknownNameError
from lakebatch.snapshot import dataset_files

QUESTION = "SELECT assembly_id, count(*) AS n, sum(r2) AS total FROM rows GROUP BY 1 ORDER BY 1"


@pytest.fixture
def stored(copied_lake):
    """Return an experiment with a completed, a discarded and a failed assembly, and one of another config."""
    stored = copied_lake["toy"]
    _, second = stored.snapshot().ids()
    stored.discard(second, "wrong")
    lakebatch.run(copied_lake, "toy", jobs=1, overrides={"levels": [0.0]})
    return stored


@pytest.fixture
def chosen(stored):
    """Return a selection of two assemblies, and their rows."""
    ids = stored.snapshot().ids()
    snapshot = stored.snapshot(assembly=ids, on_mix="ignore")
    return snapshot, snapshot.reassemble()


def answer(rows):
    return (
        rows.group_by("assembly_id")
        .agg(pl.len().alias("n"), pl.col("r2").sum().alias("total"))
        .sort("assembly_id")
        .rows()
    )


def as_expected(found, rows):
    assert [each[:2] for each in found] == [each[:2] for each in answer(rows)]
    assert [each[2] for each in found] == pytest.approx([each[2] for each in answer(rows)])


def test_files_are_those_of_the_dataset(stored, chosen):
    snapshot, rows = chosen
    files = snapshot.files()
    assert files.rows == rows.height
    assert set(files.assembly_ids) == set(snapshot.ids())
    assert len(files) == len(files.uris) == 4  # three parts, not merged, and one
    assert (
        pl.concat(pl.read_parquet(each, hive_partitioning=False) for each in files.uris).height == rows.height
    )
    assert files.schema.names == rows.columns
    assert files.schema.field("mse").metadata[b"unit"] == b"a.u.^2"
    assert "files" in repr(files)
    assert stored.snapshot(on_mix="ignore").files(include=["discarded"], on_gap="ignore").rows == 9


def test_arrow_duckdb_pandas_and_dask_read_the_same_rows(chosen):
    snapshot, expected = chosen
    files = snapshot.files()
    dataset = files.to_arrow_dataset()
    as_expected(answer(pl.from_arrow(dataset.to_table())), expected)
    one = dataset.to_table(filter=ds.field("assembly_id") == snapshot.ids()[0])
    assert one.num_rows == expected.filter(assembly_id=snapshot.ids()[0]).height
    with duckdb.connect() as connection:
        rows = files.to_duckdb(connection)
        as_expected(rows.query("rows", QUESTION).fetchall(), expected)
    as_expected(answer(pl.from_pandas(files.to_pandas())), expected)
    lazily = files.to_dask()
    assert lazily.npartitions == len(files)
    as_expected(answer(pl.from_pandas(lazily.compute())), expected)


def test_lists_stay_lists_in_dask():
    lake = lakebatch.open_lake(Path(__file__).parents[1] / "fixtures" / "schema_1" / "lake")
    files = lake["response-noise"].snapshot().files("samples", on_gap="ignore")
    frame = files.to_dask()
    kinds = {name: str(frame[name].dtype) for name in frame.columns}
    assert any(kind.startswith("list") for kind in kinds.values()), kinds


def test_past_state_of_an_unfinished_assembly_is_refused(stored):
    history = stored.history()
    started = history.filter(pl.col("status") == "started")["version"][0] + 1
    with pytest.raises(AssemblyError, match="not complete"):
        stored.snapshot(version=started).files(include=["started"], on_gap="ignore")


def test_missing_table_and_package_are_one_line(chosen, monkeypatch):
    snapshot, _ = chosen
    with pytest.raises(UnknownNameError):
        snapshot.files("nothing")
    monkeypatch.setattr(dataset_files, "find_spec", lambda name: None)
    for engine in ("daft", "dask", "pandas", "ray"):
        with pytest.raises(MissingDependencyError, match="pip install"):
            getattr(snapshot.files(), f"to_{engine}")()
