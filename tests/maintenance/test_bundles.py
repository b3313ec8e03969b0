"""Bundles: copies of many small files in one file, with the same rows."""

import os
import shutil
from collections import Counter
from datetime import timedelta
from itertools import compress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakebatch
from lakebatch.assembly.record import EVERY_STATUS
from lakebatch.errors import DamageError
from lakebatch.maintenance import bundles as bundling
from lakebatch.maintenance import doctor
from lakebatch.storage.delta import bundles, compaction
from lakebatch.storage.delta.bundles import Bundle, SortedFiles
from lakebatch.storage.delta.replacement import Replacement, replace
from lakebatch.storage.place import StoredFile

IDS = [f"20261123_142230_run{number:03d}" for number in range(1, 9)]
ROWS = "FROM toy.results ORDER BY ALL"


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch):
    monkeypatch.setattr(bundles, "MIN_FILES", 3)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return where a lake is kept for all tests here."""
    return tmp_path_factory.mktemp("kept") / "lake"


@pytest.fixture
def grown(lake, toy, run, kept):
    """Return the toy after eight completed runs."""
    if kept.exists():
        shutil.copytree(kept, lake.storage.uri)
        return lake[toy]
    for _ in range(8):
        run()
    shutil.copytree(lake.storage.uri, kept)
    return lake[toy]


@pytest.fixture
def fresh(lake, toy):
    """Return a function that opens the toy again, as another process would."""
    return lambda: lake[toy]


def bundle_files(stored):
    return sorted(Path(stored.results.uri).parent.glob("bundles/results/*.parquet"))


def used(stored, **options):
    return len(stored.results.at(**options).sources().bundles)


def without_bundles(read, stored):
    """Return the rows read without bundles."""
    folder = Path(stored.results.uri).parent / "bundles"
    folder.rename(folder.with_name("away"))
    try:
        return read()
    finally:
        folder.with_name("away").rename(folder)


def test_runs_write_a_bundle_once_enough_have_completed(grown):
    assert len(bundle_files(grown)) == 2, "of three runs each; the newest was not completed when it looked"
    found = grown.results.at().sources()
    assert (len(found.bundles), len(found.files), found.has_others) == (2, 2, False)


@pytest.mark.parametrize(
    "read",
    [
        lambda toy: toy.reassemble(on_gap="ignore"),
        lambda toy: toy.reassemble(version=9, on_gap="ignore"),
        lambda toy: toy.reassemble(include=EVERY_STATUS, on_gap="ignore", on_mix="ignore"),
        lambda toy: toy.scan().filter(pl.col("level") == 0.1).collect().sort("assembly_id", "repeat"),
        lambda toy: toy.snapshot().scan_one(toy.snapshot().ids()[1]).collect(),
        lambda toy: pl.concat(toy.snapshot().pieces(on_gap="ignore")),
        lambda toy: toy.assemblies(),
    ],
    ids=["all", "past", "every status", "filtered", "one", "pieces", "statuses"],
)
def test_rows_of_bundles_equal_those_of_the_files(grown, fresh, run, read):
    run("fail=[0.1]")
    grown.discard(grown.snapshot().ids()[4], "looked wrong")
    assert used(grown) == 2
    expected = without_bundles(lambda: read(fresh()), grown)
    assert expected.height
    assert read(fresh()).equals(expected)


def test_sql_answers_from_bundles_as_from_files(grown, lake):
    for discards in range(2):
        assert lake.sql(ROWS).equals(without_bundles(lambda: lake.sql(ROWS), grown))
        assert lake.sql(ROWS).height == 9 * (8 - discards)
        if not discards:
            grown.discard(grown.snapshot().ids()[0], "looked wrong")


def test_rows_come_in_order_with_and_without_bundles(grown):
    rows = grown.reassemble()
    assert rows.equals(rows.sort("assembly_id", "level", "part", "repeat"))


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_assembly_that_can_be_resumed_is_in_no_bundle(stored, run, lake, toy):
    run()
    run("fail=[0.1]")
    for _ in range(4):
        run()
    (failed,) = (each.assembly_id for each in stored.snapshot().assemblies if each.status == "failed")
    (bundle,) = bundles.parse(stored.storage.files(stored.results.bundle_folder))
    assert not bundle.first <= failed <= bundle.last
    Path("mended").touch()
    lakebatch.resume(lake, toy, failed, jobs=1)
    assert stored.reassemble().height == 7 * 9


def test_bundle_of_merged_files_is_ignored(grown, fresh, run):
    rows = grown.reassemble()
    _rewrite(grown, grown.snapshot().ids()[0])
    assert used(fresh()) == 1
    assert fresh().reassemble().equals(rows)
    (outdated,) = bundling.stale(fresh().results, timedelta(0))
    assert outdated.path == bundle_files(grown)[0].name


def _rewrite(stored, assembly_id):
    """Put one file in place of another with the same rows, as merging files does."""
    state = stored.results.at()
    rows = state.scan([assembly_id]).collect()
    halves = [rows.head(4), rows.tail(rows.height - 4)]
    new = tuple(compaction.write_rows(stored.results, state, [each], assembly_id) for each in halves)
    old = tuple(state.data_files([assembly_id]))
    replace(stored.results, [Replacement(assembly_id, old, new)], {"lakebatch.event": "optimized"})


def test_truncated_bundle_is_ignored(grown, fresh):
    rows, (file, _) = grown.reassemble(), bundle_files(grown)
    file.write_bytes(file.read_bytes()[:-10])
    assert used(fresh()) == 1
    assert fresh().reassemble().equals(rows)


def test_unreadable_bundle_is_named(grown, fresh):
    file, _ = bundle_files(grown)
    file.write_bytes(b"\0" * file.stat().st_size)
    with pytest.raises(DamageError, match=rf"{file.name} cannot be read .* Remove it: it only repeats rows"):
        fresh().reassemble()
    file.unlink()
    assert fresh().reassemble().height == 8 * 9


def test_bundle_with_wrong_rows_is_found_by_a_deep_check(grown, fresh, lake):
    def problems():
        found = doctor.examine(lake.storage, [fresh()], deep=True)
        return [each for each in found if each.severity == "problem" and each.check != "published"]

    assert problems() == []
    file, _ = bundle_files(grown)
    rows = pl.read_parquet(file, hive_partitioning=False)
    rows.with_columns(mse=pl.col("mse") + 1).write_parquet(file)
    file.rename(file.with_name(f"{file.name.rpartition('-')[0]}-{file.stat().st_size}.parquet"))
    (problem,) = problems()
    assert "has other rows" in str(problem.what)


def test_missing_file_is_noticed_although_a_bundle_has_its_rows(grown, fresh):
    (file, *_) = grown.results.at().data_files([grown.snapshot().ids()[0]])
    Path(grown.results.uri, file.path).unlink()
    with pytest.raises(DamageError, match="is missing"):
        fresh().reassemble()


def test_lake_without_its_bundles_is_the_same(grown, fresh):
    rows = grown.reassemble()
    shutil.rmtree(Path(grown.results.uri).parent / "bundles")
    assert fresh().reassemble().equals(rows)
    fresh().optimize()
    assert used(fresh()) == 2
    assert fresh().reassemble().equals(rows)


def test_vacuum_removes_only_useless_files_from_the_bundles(grown, fresh):
    folder = bundle_files(grown)[0].parent
    left = folder / f".{'0' * 32}"
    left.write_bytes(b"half")
    os.utime(left, times=(0, 0))
    rows, files = grown.reassemble(), bundle_files(grown)
    grown.vacuum(keep_days=0)
    assert left.exists(), "a dry run"
    grown.vacuum(keep_days=0, dry_run=False)
    assert sorted(folder.iterdir()) == files
    assert used(fresh()) == 2
    assert fresh().reassemble().equals(rows)


def test_doctor_finds_nothing_wrong_with_bundles(grown, lake):
    found = list(doctor.examine(lake.storage, [grown]))
    assert {each.severity for each in found} == {"ok"}, found


files_of = st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 30)), min_size=1, max_size=20, unique=True)


def table_of(files):
    rows = [(assembly_id, f"{assembly_id}/{number}", 1) for assembly_id, number in files]
    return SortedFiles(pl.DataFrame(rows, schema=["assembly_id", "path", "bytes"], orient="row"))


@given(
    now=files_of, then=st.lists(files_of, max_size=3), chosen=st.sets(st.sampled_from(IDS)), more=st.data()
)
def test_every_file_is_read_once_with_any_bundles(now, then, chosen, more):
    """Bundles of this table and of other states, also overlapping ones; a file is any pair of id and path."""
    known, content = [], {}
    for files in [now, now, *then]:
        table = table_of(files)
        ends = sorted(more.draw(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS))))
        where = table.between(*ends)
        if where:
            name = bundles.bundle_name(table, where, 1)
            content[name] = [table.paths[index] for index in where]
            known += bundles.parse([StoredFile(name, 1, None)])
    table = table_of(now)
    found = table.sources(known, chosen)
    read = [path for name in found.bundles for path in content[name]] + found.files
    is_chosen = [path.partition("/")[0] in chosen for path in read]
    assert Counter(compress(read, is_chosen)) == Counter(f"{each}/{n}" for each, n in now if each in chosen)
    assert found.has_others == (not all(is_chosen))


def test_name_of_a_bundle_names_its_assemblies():
    table = table_of([(IDS[0], 1), (IDS[1], 2)])
    name = bundles.bundle_name(table, range(2), 77)
    assert bundles.parse([StoredFile(name, 77, None)]) == [Bundle(name, IDS[0], IDS[1], table.hash(range(2)))]
    assert bundles.parse([StoredFile(name, 76, None), StoredFile("other.parquet", 1, None)]) == []
