"""Repair: a damaged lake is restored bit by bit, or left unchanged with a reason."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import damage_done
import deltalake
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.assembly.decisions import note
from lakebatch.cli.main import main
from lakebatch.errors import DamageWarning
from lakebatch.maintenance.repair import files as repaired_files

COHORT = Path(__file__).with_name("cohort_experiment.py")
TABLES = ("assemblies", "results", "samples", "tags", "trajectories")
FOLDER = "92_v1_cohort"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Return a folder with a lake to be copied: merged and unmerged assemblies, a failed one, tags."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "experiments").mkdir()
    shutil.copy(COHORT, folder / "experiments" / "cohort.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lake = lakebatch.open_lake(folder / "lake")
        lakebatch.run(lake, "cohort", jobs=1)
        lake["cohort"].tag("first")
        lake.optimize()
        patch.setattr("lakebatch.maintenance.optimize.compact_assembly", lambda *_: None)
        for settings in ((), ["fail=[0.1]"], ["n_samples=7"]):
            lakebatch.run(lake, "cohort", jobs=1, settings=settings)
        lake["cohort"].tag("second", note="as published")
        assert lake["cohort"].assemblies()["rows"].to_list() == [15, 15, 10, 21]
    return folder


@pytest.fixture
def cohort(whole, tmp_path, monkeypatch) -> Path:
    """Return the folder of the experiment in a copy of that lake."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lake" / FOLDER


def data_files(folder: Path) -> list[Path]:
    """Return the data files, without those of the published table, which is made again as a whole."""
    return [
        file
        for file in sorted(folder.rglob("*.parquet"))
        if file.parent.name != "_delta_log" and "published" not in file.parts
    ]


def versions(folder: Path) -> Iterator[tuple[str, int, pl.DataFrame]]:
    """Yield every table at every version, as read by polars alone."""
    for name in TABLES:
        newest = deltalake.DeltaTable(str(folder / name)).version()
        for version in range(newest + 1):
            yield name, version, pl.read_delta(str(folder / name), version=version)


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort([name for name, dtype in rows.schema.items() if not dtype.is_nested()])


def check_same(folder: Path, whole: Path) -> None:
    """Check that every version of every table is equal bit by bit in both folders."""
    count = 0
    for name, version, expected in versions(whole):
        actual = pl.read_delta(str(folder / name), version=version)
        assert in_order(actual).equals(in_order(expected)), (name, version)
        count += 1
    assert count > 20


def flipped(file: Path, where: float = 0.4) -> Path:
    content = bytearray(file.read_bytes())
    content[int(len(content) * where)] ^= 0x10
    file.write_bytes(content)
    return file


WAYS: tuple[Callable[[Path], object], ...] = (
    damage_done.gone,
    damage_done.emptied,
    lambda file: damage_done.cut(file, 1000),
    damage_done.garbled,
    lambda file: file.write_bytes(b"\0" * file.stat().st_size),
)


@pytest.mark.parametrize("seed", range(2))
def test_third_of_all_data_files_is_restored_to_the_last_bit(cohort, whole, seed):
    rng = np.random.default_rng(seed)
    files = data_files(cohort)
    for index in rng.permutation(len(files))[: len(files) // 3]:
        WAYS[rng.integers(len(WAYS))](files[index])
    stored = lakebatch.open_lake(cohort.parent)["cohort"]
    planned = stored.repair()
    assert set(planned["state"]) == {"can be healed"}
    done = stored.repair(dry_run=False, jobs=1)
    assert set(done["state"]) == {"healed"}
    assert done.height == len(files) // 3
    check_same(cohort, whole / "lake" / FOLDER)
    assert stored.repair().is_empty()
    assert "problem" not in set(lakebatch.open_lake(cohort.parent).doctor(deep=True)["severity"])


def doubled(table: Path) -> None:
    """Merge the same files twice, as two processes of an older lakebatch did."""
    handles = [deltalake.DeltaTable(str(table)) for _ in range(2)]
    for handle in handles:
        handle.optimize.compact()


def newest(folder: Path) -> dict[str, pl.DataFrame]:
    return {name: in_order(pl.read_delta(str(folder / name))) for name in TABLES}


def problems(folder: Path, *, deep: bool = False) -> list[str]:
    rows = lakebatch.open_lake(folder.parent).doctor(deep=deep).filter(severity="problem")
    return [f"{row['what']} -> {row['advice']}" for row in rows.iter_rows(named=True)]


def test_rows_doubled_by_merges_are_found_and_deduplicated(cohort):
    before = newest(cohort)
    tables = ("results", "samples", "assemblies")
    for table in tables:
        doubled(cohort / table)
        assert newest(cohort)[table].height > before[table].height
    twice = [text for text in problems(cohort) if "both replaced the file" in text]
    assert len(twice) == 7
    assert all(text.endswith("lakebatch repair cohort@v1") for text in twice)
    stored = lakebatch.open_lake(cohort.parent)["cohort"]
    with pytest.warns(DamageWarning, match="events, .* of them distinct. Each is read once"):
        assemblies = stored.snapshot().assemblies
    with pytest.warns(DamageWarning):
        note(stored, next(each for each in assemblies if each.run_number == 2), "as resumed", rows=30)
    assert set(stored.repair()["state"]) == {"can be healed"}
    assert newest(cohort)["results"].height > before["results"].height
    assert set(stored.repair(dry_run=False)["state"]) == {"healed"}
    after = newest(cohort)
    events = after.pop("assemblies").filter(pl.col("note").is_null())
    assert events.equals(before.pop("assemblies"))
    assert all(after[name].equals(before[name]) for name in before)
    assert problems(cohort, deep=True) == []
    assert stored.assemblies()["rows"].to_list() == [15, 15, 10, 21]
    assert stored.repair().is_empty()


def lose(cohort: Path, table: str, run: str) -> list[Path]:
    files = sorted((cohort / table).glob(f"assembly_id=*{run}/*.parquet"))
    assert files
    for file in files:
        file.unlink()
    return files


def without_copies(cohort: Path) -> None:
    """Make all commits look as if written by a lakebatch without copies."""
    for entry in cohort.glob("*/_delta_log/*.json"):
        lines = [json.loads(line) for line in entry.read_text().splitlines()]
        for line in lines:
            line.get("commitInfo", {}).pop("lakebatch.copy", None)
        entry.write_text("\n".join(map(json.dumps, lines)))


def healed(cohort: Path) -> pl.DataFrame:
    return lakebatch.open_lake(cohort.parent).repair("cohort", dry_run=False, jobs=1)


def test_repairs_are_noted_in_events_and_keep_statuses(cohort):
    stored = lakebatch.open_lake(cohort.parent)["cohort"]
    before = stored.assemblies().select("assembly_id", "status", "rows", "parts_done", "error")
    lose(cohort, "samples", "run001")
    lose(cohort, "results", "run003")
    assert set(healed(cohort)["state"]) == {"healed"}
    assert stored.assemblies().select(before.columns).equals(before)
    notes = stored.history().filter(pl.col("note").is_not_null())
    assert notes["note"].to_list() == ["repaired: 4 of samples", "repaired: 2 of results"]
    assert notes["status"].to_list() == ["completed", "failed"]


def test_folder_in_place_of_a_file_is_named_before_anything_is_computed(cohort, whole):
    (*_, file) = lose(cohort, "results", "run002")
    file.mkdir()
    for found in (lakebatch.open_lake(cohort.parent).repair("cohort"), healed(cohort)):
        (how,) = found.filter(state="stays damaged")["how"]
        assert how.startswith(f"there is a folder in its place; move it away: {file}")
    file.rmdir()
    assert healed(cohort)["state"].to_list() == ["healed"]
    check_same(cohort, whole / "lake" / FOLDER)


def test_changed_code_repairs_nothing_and_is_named(cohort):
    files = lose(cohort, "results", "run002")
    source = cohort.parents[1] / "experiments" / "cohort.py"
    source.write_text(source.read_text().replace("FACTOR = 1.0", "FACTOR = 0.5"))
    found = healed(cohort)
    assert found["state"].to_list() == ["stays damaged"] * 3
    assert "computed again, do not have the fingerprint that its commit recorded" in found["how"][0]
    assert "source was" in found["how"][0]
    assert not any(file.exists() for file in files)
    assert lakebatch.open_lake(cohort.parent)["cohort"].history()["note"].null_count() == 8


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("", "", "Unknown experiment 'cohort'"),
        ('"v1"', '"v2"', "this code has experiment version v2"),
        ('f"level={level:g}"', 'f"at={level:g}"', "this code does not plan part level=0"),
        ("n_samples: int", "patients: int", "Unknown config key 'n_samples'"),
    ],
)
def test_dry_run_says_why_code_cannot_recompute_an_assembly(cohort, old, new, reason):
    lose(cohort, "results", "run002")
    source = cohort.parents[1] / "experiments" / "cohort.py"
    source.write_text(source.read_text().replace(old, new)) if old else source.unlink()
    found = lakebatch.open_lake(cohort.parent).repair("cohort")
    assert set(found["state"]) == {"stays damaged"}
    assert reason in found["how"][0]
    assert found["how"][0].endswith("with the code and packages that wrote it, or put it back from a backup.")


def test_commits_without_copies_are_repaired_unless_data_is_lost(cohort, whole):
    """As in 0.1.0: fit times are lost with their file unless it was merged; all else can be recomputed."""
    without_copies(cohort)
    lose(cohort, "samples", "run002")
    lose(cohort, "trajectories", "run003")
    merged = pl.read_delta(str(cohort / "results")).filter(pl.col("assembly_id").str.ends_with("run001"))
    gone = [
        file
        for file in data_files(cohort / "results")
        if "run001" in str(file) and pl.read_parquet(file).height < merged.height
    ]
    for file in gone:
        file.unlink()
    assert set(healed(cohort)["state"]) == {"healed"}
    check_same(cohort, whole / "lake" / FOLDER)
    lose(cohort, "results", "run004")
    found = healed(cohort)
    assert found["state"].to_list() == ["stays damaged"] * 3
    assert (
        found["how"]
        .str.contains("of a lakebatch before 0.2, has no copy of fit_seconds, which cannot be computed")
        .all()
    )
    for file in data_files(cohort / "assemblies"):
        if pl.read_parquet(file)["assembly_id"].str.ends_with("run004").all():
            file.unlink()
    found = healed(cohort)
    assert (
        found["how"].str.contains("its rows are neither in other files nor in its commit. Put it back").sum()
        == 2
    )
    assert found["how"].str.contains("its assembly has no event, from which it could be").sum() == 3


def test_running_assembly_is_left_alone(cohort):
    files = lose(cohort, "results", "run003")
    stored = lakebatch.open_lake(cohort.parent)["cohort"]
    failed = stored.snapshot().assemblies[2]
    stored.log.record(failed, "started", pid=os.getpid(), environment="{}")
    found = healed(cohort)
    assert found["state"].to_list() == ["left alone"] * 2
    assert not any(file.exists() for file in files)


def _leave_one_checkpoint(table):
    for earlier in (table / "_delta_log").glob("*.checkpoint.parquet"):
        earlier.unlink()
    (table / "_delta_log" / "_last_checkpoint").unlink(missing_ok=True)
    deltalake.DeltaTable(str(table)).create_checkpoint()


@pytest.mark.parametrize("what", ["checkpoint cut", "checkpoint gone", "pointer cut", "pointer elsewhere"])
def test_checkpoints_are_rewritten(cohort, what):
    log = cohort / "results" / "_delta_log"
    _leave_one_checkpoint(cohort / "results")
    before = newest(cohort)
    (checkpoint,), pointer = log.glob("*.checkpoint.parquet"), log / "_last_checkpoint"
    match what:
        case "checkpoint cut":
            damage_done.cut(checkpoint, 100)
        case "checkpoint gone":
            checkpoint.unlink()
        case "pointer cut":
            damage_done.cut(pointer, 5)
        case _:
            pointer.write_text(pointer.read_text().replace('"version":', '"version":1'))
    assert set(healed(cohort)["state"]) == {"healed"}
    assert "problem" not in set(lakebatch.open_lake(cohort.parent).doctor()["severity"])
    (again,) = log.glob("*.checkpoint.parquet")
    assert again == checkpoint
    assert pl.read_parquet(again).height > 10
    assert json.loads(pointer.read_text())["version"] == int(checkpoint.name[:20])
    assert newest(cohort)["results"].equals(before["results"])


def test_checkpoint_over_lost_entries_is_left_alone(cohort):
    _leave_one_checkpoint(cohort / "results")
    log = cohort / "results" / "_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    damage_done.gone(damage_done.entry(cohort / "results", 3))
    content = damage_done.cut(checkpoint, 100).read_bytes()
    found = healed(cohort)
    assert set(found["state"]) == {"stays damaged"}
    assert "entries of the log are lost, from which it would be written" in found["how"].to_list()
    assert checkpoint.read_bytes() == content


def test_killed_repair_is_continued_by_the_next(cohort, whole, monkeypatch):
    files = [*lose(cohort, "results", "run002"), *lose(cohort, "samples", "run004")]
    real, placed = repaired_files.place, []

    def dying(table, reference, rows):
        if len(placed) == 2:
            raise KeyboardInterrupt
        placed.append(reference.path)
        real(table, reference, rows)

    monkeypatch.setattr(repaired_files, "place", dying)
    with pytest.raises(KeyboardInterrupt):
        healed(cohort)
    monkeypatch.setattr(repaired_files, "place", real)
    assert sum(file.exists() for file in files) == 2
    notes = lakebatch.open_lake(cohort.parent)["cohort"].history()["note"].drop_nulls().to_list()
    assert [each for each in notes if each.startswith("repaired")] == ["repaired: 2 of results"]
    assert healed(cohort).height == len(files) - 2
    check_same(cohort, whole / "lake" / FOLDER)


def test_command_prints_its_plan_and_exits_nonzero_while_damage_remains(cohort, whole):
    lake = ["--lake", str(cohort.parent), "repair", "cohort"]
    file = lose(cohort, "trajectories", "run002")[0]
    asked = CliRunner().invoke(main, lake)
    assert asked.exit_code == 1
    assert asked.stdout.count("can be healed") == 3
    assert asked.stderr.endswith(f"Heal it with: lakebatch --lake {cohort.parent} repair cohort --yes\n")
    assert not file.exists()
    done = CliRunner().invoke(main, [*lake, "--yes", "--format", "ndjson"])
    assert (done.exit_code, done.stderr) == (0, "3 healed\n")
    assert done.stdout.count('"state":"healed"') == 3
    check_same(cohort, whole / "lake" / FOLDER)
    nothing = CliRunner().invoke(main, lake)
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (
        0,
        "",
        "Nothing to heal was found. See also: lakebatch doctor\n",
    )
