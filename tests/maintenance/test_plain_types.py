"""Data files have plain types, which every Delta engine reads."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import deltalake
import polars as pl
import pyarrow.parquet as pq
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.legacy.frames.table import FrameTable
from lakebatch.storage.delta import bundles
from lakebatch.storage.delta.engine import plain_type

MODELS = Path(__file__).parents[1] / "model_experiment.py"
LAKE_0_1_0 = Path(__file__).parents[1] / "fixtures" / "lake_0_1_0" / "lake"
OTHER_TYPES = {"string_view", "large_string", "large_binary", "binary_view", "large_list", "dictionary"}


def other_types(folder: Path) -> dict[str, set[str]]:
    """Return the types that are not plain, by file; of every Parquet file, also those that no commit names."""
    files = [each for each in folder.rglob("*.parquet") if "_delta_log" not in each.parts]
    assert files
    found = {
        str(each.relative_to(folder)): {
            str(dtype) for dtype in pq.read_schema(each).types if dtype != plain_type(dtype)
        }
        for each in files
    }
    return {file: types for file, types in found.items() if types}


def command(lake, *arguments):
    done = CliRunner().invoke(main, ["--lake", lake.storage.uri, *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_every_file_of_a_whole_life_is_plain(copied_lake, monkeypatch, tmp_path):
    """Runs, failures, sweeps, artifacts, notes, tags, frames, merges, bundles, purges, exports."""
    lake = copied_lake
    shutil.copy(MODELS, "experiments/models.py")
    lakebatch.run(lake, "models", jobs=1)
    lakebatch.run(lake, "toy", jobs=1, sweep={"seed": [5, 6]})
    toy = lake["toy"]
    first, second = toy.snapshot().ids()[:2]
    toy.note(first, "looked at")
    toy.discard(second, "wrong")
    toy.tag("paper")
    command(lake, "verify", "toy", first)
    command(lake, "purge", "toy", second, "--reason", "too large", "--yes")
    frame = pl.DataFrame(
        {"text": ["a"], "lists": [["b"]], "kind": pl.Series(["c"], dtype=pl.Categorical), "bytes": [b"d"]}
    )
    FrameTable(lake.storage, toy.folder, "saved").append(first, "p", frame, datetime.now(UTC), {})
    folder = Path(lake.storage.uri)
    assert other_types(folder) == {}
    monkeypatch.setattr(bundles, "MIN_FILES", 2)
    lake.optimize()
    assert list(folder.rglob("bundles/**/*.parquet"))
    assert other_types(folder) == {}
    command(lake, "reassemble", "toy", "--assembly", first, "-o", str(tmp_path / "export.parquet"))
    assert {str(each) for each in pq.read_schema(tmp_path / "export.parquet").types} & OTHER_TYPES == set()


def test_optimize_writes_older_files_again(tmp_path):
    """Also a file that stands alone in its partition, where nothing is to merge."""
    folder = tmp_path / "lake"
    shutil.copytree(LAKE_0_1_0, folder)
    lake = lakebatch.open_lake(folder)
    of_each = {each.reference: each.snapshot().ids() for each in lake}
    before = {name: lake[name].reassemble(assembly=ids) for name, ids in of_each.items()}
    alone = lake.optimize(dry_run=True).filter(experiment="toy", table="tags")
    assert alone.select("files", "rewritten").row(0) == (1, 1)
    lake.optimize()
    tables = [each.table(name) for each in lake for name in ("results", "assemblies", "tags")]
    files = [file for each in tables if each.exists() for file in deltalake.DeltaTable(each.uri).file_uris()]
    assert len(files) > 5
    assert all(plain_type(each) == each for file in files for each in pq.read_schema(file).types)
    assert lake.optimize(dry_run=True)["rewritten"].sum() == 0
    for name, ids in of_each.items():
        assert lake[name].reassemble(assembly=ids).equals(before[name])


def test_columns_that_are_not_null_are_required_in_the_files(copied_lake):
    """Some engines refuse a file with an optional column where the table says NOT NULL."""
    copied_lake["toy"].tag("paper")
    tables = [each.parent for each in Path(copied_lake.storage.uri).rglob("_delta_log")]
    assert {each.name for each in tables} >= {"results", "assemblies", "tags"}
    for folder in tables:
        table = deltalake.DeltaTable(folder)
        required = {each.name for each in table.schema().fields if not each.nullable}
        for file in table.file_uris():
            optional = {each.name for each in pq.read_schema(file) if each.nullable}
            assert not required & optional, file
