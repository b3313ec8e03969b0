"""Purge: a discarded assembly's files go for good, the record stays, and past states say so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import deltalake
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.purges import Purge
from lakebatch.assembly.record import now
from lakebatch.assembly.tables import own_schema
from lakebatch.cli.main import main
from lakebatch.columns import column
from lakebatch.errors import AssemblyError, ConfigError, IncompleteError, IncompleteWarning
from lakebatch.storage.delta import bundles, removal
from lakebatch.storage.delta.table import Table

COHORT = Path(__file__).with_name("cohort_experiment.py")
FOLDER = "92_v1_cohort"
TABLES = ["results", "samples", "trajectories"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Return a folder with a lake to be copied: three completed assemblies, of which the second is discarded."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "experiments").mkdir()
    shutil.copy(COHORT, folder / "experiments" / "cohort.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lake = lakebatch.open_lake(folder / "lake")
        for _ in range(3):
            lakebatch.run(lake, "cohort", jobs=1)
        lake["cohort"].discard(ids(lake["cohort"])[1], "a wrong dose")
    return folder


@pytest.fixture
def cohort(whole, tmp_path, monkeypatch) -> lakebatch.StoredExperiment:
    """Return the experiment in a copy of that lake."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return lakebatch.open_lake(tmp_path / "lake")["cohort"]


@pytest.fixture
def bad(cohort) -> str:
    """Return the id of the discarded assembly."""
    return ids(cohort)[1]


def ids(stored) -> list[str]:
    return stored.assemblies()["assembly_id"].to_list()


def before_the_discard(stored) -> int:
    return stored.history().filter(status="discarded")["version"][0] - 1


def files_of(stored, assembly_id: str) -> list[Path]:
    """Return the files of an assembly, without its log, which stays on record."""
    found = sorted(Path(stored.storage.uri, stored.folder).rglob(f"assembly_id={assembly_id}/*.parquet"))
    return [file for file in found if file.parts[-3] != "logs"]


def problems(stored) -> list[str]:
    found = lakebatch.open_lake(stored.storage.uri).doctor(read_only=True)
    return found.filter(severity="problem")["what"].to_list()


def test_purge_does_as_its_dry_run_says_and_frees_as_much(cohort, bad):
    sizes = sum(file.stat().st_size for file in files_of(cohort, bad))
    planned = cohort.purge(bad, "no space")
    assert planned["table"].to_list() == TABLES
    assert planned["bytes"].sum() == sizes
    assert planned["rows"].to_list() == [15, 15, 15]
    assert len(files_of(cohort, bad)) == planned["files"].sum(), "a dry run changes nothing"
    assert cohort.log.get(bad).purge is None
    rows = cohort.reassemble(on_gap="refuse")
    assert cohort.purge(bad, "no space", dry_run=False).equals(planned)
    assert files_of(cohort, bad) == []
    assert cohort.usage().filter(assembly_id=bad)["table"].to_list() == ["logs"], "they stay on record"
    assert cohort.reassemble(on_gap="refuse").equals(rows)
    assert cohort.purge(bad).is_empty(), "there is nothing left"
    assert cohort.purge(bad, dry_run=False).is_empty()


def test_purge_is_on_record_everywhere(cohort, bad):
    seed, config = cohort.log.get(bad).seed, cohort.log.get(bad).config
    cohort.purge(bad, "no space", dry_run=False)
    assembly = cohort.log.get(bad)
    assert (assembly.status, assembly.seed, assembly.config) == ("discarded", seed, config)
    assert isinstance(assembly.purge, Purge)
    assert assembly.purge.done
    assert (assembly.purge.rows, assembly.purge.parts) == (45, 3)
    assert all(len(each.fingerprint) == 16 for each in assembly.purge.tables.values())
    assert "purged" not in assembly.software
    assert cohort.history()["note"].to_list()[-2:] == ["purge begins: no space", "purged: no space"]
    (text,) = cohort.assemblies().filter(assembly_id=bad)["purged"]
    assert text.startswith("purged on ")
    assert text.endswith(": no space")
    status = CliRunner().invoke(main, ["--lake", "lake", "status", "cohort"]).output
    assert f"{bad} was {text}" in status
    lake = lakebatch.open_lake("lake")
    assert lake.sql("SELECT note FROM cohort.events WHERE note LIKE 'purged: %'").height == 1
    found = lake.doctor(deep=True, read_only=True)
    assert found.filter(severity="problem").is_empty()
    assert any(f"{bad} was {text}" in what for what in found.filter(check="purges")["what"])
    assert cohort.repair().is_empty()


def test_past_states_name_the_purge_as_a_gap(cohort, bad):
    version = before_the_discard(cohort)
    time = cohort.history().filter(version=version)["at"][-1]
    cohort.purge(bad, "no space", dry_run=False)
    (gap,) = cohort.snapshot(version=version).gaps()
    assert str(gap).startswith(f"{bad}: purged on ")
    assert str(gap).endswith(": no space")
    for moment in ({"version": version}, {"as_of": time}):
        with pytest.raises(IncompleteError, match=f"{bad}: purged on .* by .*: no space"):
            cohort.reassemble(on_gap="refuse", **moment)
        with pytest.warns(IncompleteWarning, match="purged on"):
            assert bad not in cohort.reassemble(**moment)["assembly_id"]
    parts = cohort.completeness(version=version).filter(assembly_id=bad)
    assert not parts["present"].any()
    assert all("purged on" in why for why in parts["why"])
    assert cohort.snapshot().gaps() == []
    with pytest.raises(AssemblyError, match=r"was purged on .* gone for good"):
        cohort.dataset(bad, level=0.0, feature_set="dynamic")


def test_open_snapshot_of_before_says_so_in_one_line(cohort, bad):
    opened = [cohort.snapshot(version=before_the_discard(cohort)) for _ in range(3)]
    assert opened[0].reassemble().height == 45
    cohort.purge(bad, "no space", dry_run=False)
    again = "was purged on .*no space. This state was opened before that; open it again"
    with pytest.raises(AssemblyError, match=again):
        opened[0].reassemble()
    with pytest.raises(AssemblyError, match=again):
        opened[1].reassemble(table="samples")
    with pytest.raises(AssemblyError, match=again):
        opened[2].scan_one(bad)
    with pytest.warns(IncompleteWarning, match=f"Left out: {bad} was purged"):
        assert opened[0].reassemble(on_gap="ignore").height == 30


def test_purge_refuses_what_is_not_discarded_or_has_no_reason(cohort, bad):
    good = ids(cohort)[0]
    with pytest.raises(AssemblyError, match=f"lakebatch discard cohort {good} --reason TEXT"):
        cohort.purge(good, "no space")
    for reason in ("", "  "):
        with pytest.raises(ConfigError, match="The reason is empty"):
            cohort.purge(bad, reason, dry_run=False)
    cohort.restore(bad, "the dose was right")
    with pytest.raises(AssemblyError, match="is completed, and only a discarded assembly"):
        cohort.purge(bad, "no space", dry_run=False)
    assert cohort.reassemble(on_gap="refuse").height == 45


def test_purge_refuses_what_a_tag_needs(cohort, bad):
    cohort.tag("after")
    cohort.purge(bad, "no space")
    cohort.tag("paper", version=before_the_discard(cohort))
    with pytest.raises(AssemblyError, match="in the dataset of the tag paper, and a tag keeps its dataset"):
        cohort.purge(bad, "no space", dry_run=False)
    assert cohort.reassemble(tag="paper", on_gap="refuse").height == 45


def test_tag_that_comes_meanwhile_stops_the_purge_before_anything_is_removed(cohort, bad, monkeypatch):
    from lakebatch.maintenance.purge import execution

    version, files = before_the_discard(cohort), files_of(cohort, bad)
    monkeypatch.setattr(execution, "check_purgeable", lambda *_: cohort.tag("paper", version=version))
    with pytest.raises(AssemblyError, match="the tag paper"):
        cohort.purge(bad, "no space", dry_run=False)
    assert files_of(cohort, bad) == files
    assert cohort.log.get(bad).purge is None
    assert cohort.history()["note"][-1].startswith("purge withdrawn: ")
    cohort.restore(bad, "a tag needs it")


def test_tag_after_the_discard_reads_the_same_after_the_purge(cohort, bad):
    cohort.tag("after")
    rows = cohort.reassemble(tag="after", on_gap="refuse")
    cohort.purge(bad, "no space", dry_run=False)
    assert cohort.reassemble(tag="after", on_gap="refuse").equals(rows)
    assert problems(cohort) == []


def test_purge_refuses_an_assembly_that_a_process_may_still_compute(cohort, monkeypatch):
    monkeypatch.setattr("lakebatch.assembly.workers.Worker.is_running", lambda _: True)
    started = cohort.log.get(ids(cohort)[2])
    cohort.log.follow(started, lambda latest: ("started", {"pid": 1, "host": "elsewhere"}))
    monkeypatch.setattr("lakebatch.assembly.record.Assembly.worker_here", lambda _: None)
    cohort.discard(started.assembly_id, "wrong")
    with pytest.raises(AssemblyError, match=r"was discarded while process 1 on .* computed it"):
        cohort.purge(started.assembly_id, "no space", dry_run=False)


def test_purge_refuses_a_link(cohort, bad, tmp_path):
    folder = files_of(cohort, bad)[0].parent
    shutil.move(folder, tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AssemblyError, match="is a link, and nothing is removed through one"):
        cohort.purge(bad, "no space", dry_run=False)
    assert list((tmp_path / "elsewhere").iterdir())


def test_purged_assembly_is_neither_restored_nor_resumed(cohort, bad):
    seed = cohort.log.get(bad).seed
    cohort.purge(bad, "no space", dry_run=False)
    for call in (
        lambda: cohort.restore(bad, "back"),
        lambda: lakebatch.resume(lakebatch.open_lake("lake"), "cohort", bad, jobs=1),
    ):
        with pytest.raises(AssemblyError, match=f"was purged on .* --seed {seed}"):
            call()
    assert cohort.status(bad) == "discarded"


def test_verify_compares_a_purged_assembly_by_its_fingerprints(cohort, bad):
    cohort.purge(bad, "no space", dry_run=False)
    lake = lakebatch.open_lake("lake")
    verdict = lakebatch.verify(lake, "cohort", bad, jobs=1)
    assert verdict.reproduced
    assert verdict.rows == 45
    assert cohort.log.get(bad).purge is not None, "the verdict is a note about it"
    from lakebatch.runner.verify import compare_fingerprints

    other = compare_fingerprints(cohort.log.get(bad).purge, cohort, ids(cohort)[0])
    assert other["table"].to_list() == TABLES, "an assembly of another seed has other rows"


def test_own_tables_and_bundles_are_purged_too(cohort, bad):
    uri = Path(cohort.storage.uri, FOLDER, "curves")
    schema = own_schema("curves", "One row per part.", [column("x", "double", "A number.", unit="1")])
    table = Table(cohort.storage, FOLDER, schema)
    table.ensure()
    for each, x in zip(ids(cohort), (1.0, 2.0, 3.0), strict=True):
        PartWriter(table, each, {}).append("p", pl.DataFrame({"x": [x]}), now())
    first, _, last = ids(cohort)
    folder = Path(cohort.storage.uri, cohort.results.bundle_folder)
    folder.mkdir(parents=True)
    names = [f"{first}-{last}-{'0' * 16}-4.parquet", f"{last}-{last}-{'0' * 16}-4.parquet"]
    for name in names:
        assert bundles.NAME.fullmatch(name)
        (folder / name).write_bytes(b"PAR1")
    removed = cohort.purge(bad, "no space", dry_run=False)
    assert removed["table"].to_list() == [*TABLES, "curves", "bundles"]
    assert [each.name for each in folder.iterdir()] == names[1:]
    assert pl.read_delta(str(uri))["x"].sort().to_list() == [1.0, 3.0]
    assert cohort.log.get(bad).purge.tables["curves"].rows == 1


def test_damaged_file_is_purged_without_a_fingerprint(cohort, bad):
    files_of(cohort, bad)[-1].write_bytes(b"damaged")
    cohort.purge(bad, "it is damaged", dry_run=False)
    known = {name: each.fingerprint is not None for name, each in cohort.log.get(bad).purge.tables.items()}
    assert known == {"results": True, "samples": True, "trajectories": False}
    assert problems(cohort) == []


def test_file_that_a_stopped_writer_commits_meanwhile_stays_and_is_named(cohort, bad, monkeypatch):
    from lakebatch.maintenance.purge import execution

    late = pl.read_delta(cohort.results.uri).filter(assembly_id=bad).head(2)
    listed = execution.holdings

    def list_and_append(*arguments):
        found = listed(*arguments)
        if cohort.log.get(bad).purge is not None:
            cohort.results.append_once(bad, lambda state, last: late, {"lakebatch.assembly_id": bad})
            found = listed(*arguments)
        return found

    monkeypatch.setattr(execution, "holdings", list_and_append)
    cohort.purge(bad, "no space", dry_run=False)
    monkeypatch.undo()
    monkeypatch.chdir(Path(cohort.storage.uri).parent)
    assert pl.read_delta(cohort.results.uri).filter(assembly_id=bad).height == 2, (
        "no file of the table is missing"
    )
    (named,) = problems(cohort)
    assert "results has files of it again" in named
    cohort.purge(bad, dry_run=False)
    assert problems(cohort) == []


def test_rows_that_come_after_a_purge_are_named_and_removed(cohort, bad, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(Path(cohort.results.uri), kept)
    cohort.purge(bad, "no space", dry_run=False)
    late = pl.read_delta(str(kept)).filter(assembly_id=bad).head(2)
    cohort.results.append_once(bad, lambda state, last: late, {"lakebatch.assembly_id": bad})
    assert any(
        f"{bad} was purged" in what and "results has files of it again" in what for what in problems(cohort)
    )
    assert cohort.purge(bad, dry_run=False)["rows"].to_list() == [2]
    assert problems(cohort) == []
    assert cohort.history()["note"][-1] == "purged again: no space"


def test_other_readers_read_the_newest_version(cohort, bad):
    before = {name: cohort.table(name).version() for name in TABLES}
    cohort.purge(bad, "no space", dry_run=False)
    for name in TABLES:
        table = deltalake.DeltaTable(cohort.table(name).uri)
        assert table.metadata().configuration["delta.appendOnly"] == "true"
        assert table.to_pyarrow_dataset().to_table().num_rows == 30
        assert pl.read_delta(cohort.table(name).uri).height == 30
        engine = deltalake.QueryBuilder().register("t", table)
        assert pl.DataFrame(engine.execute("SELECT count(*) AS n FROM t"))["n"].to_list() == [30]
        with pytest.raises((OSError, pl.exceptions.PolarsError)):  # as after any vacuum
            pl.read_delta(cohort.table(name).uri, version=before[name])
        (entry,) = (each for each in table.history() if each.get("lakebatch.event") == "purged")
        assert entry["lakebatch.assembly_id"] == bad


def test_command_prints_the_plan_then_does_it(cohort, bad):
    def call(*arguments):
        return CliRunner().invoke(main, ["--lake", "lake", "purge", "cohort", bad, *arguments])

    planned = call("--reason", "no space")
    assert planned.exit_code == 0
    assert f"lakebatch --lake lake purge cohort {bad} --reason 'no space' --yes" in planned.output
    assert call("--yes").output.startswith("Error: The reason is empty")
    done = call("--reason", "no space", "--yes")
    assert done.exit_code == 0
    assert "10 files with 45 rows" in done.output
    assert "There is nothing to purge." in call("--yes").output


KILLED = """
import os, signal, sys
import lakebatch
from lakebatch.storage.delta.table import Table
from lakebatch.storage.local import LocalFolder
left = int(sys.argv[2])
def count(call):
    def counted(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return counted
Table.commit_once = count(Table.commit_once)
Table.alter = count(Table.alter)
LocalFolder.remove = count(LocalFolder.remove)
lakebatch.open_lake("lake")["cohort"].purge(sys.argv[1], "no space", dry_run=False)
print(left)
"""


@pytest.mark.parametrize("step", [1, 5, 17, 24])
def test_purge_that_is_killed_goes_on(cohort, bad, step):
    rows = cohort.reassemble(on_gap="refuse")
    version = before_the_discard(cohort)
    done = subprocess.run([sys.executable, "-c", KILLED, bad, str(step)], capture_output=True, text=True)
    assert done.returncode == -9, f"{done.stdout}{done.stderr}"
    again = lakebatch.open_lake("lake")["cohort"]
    assert again.reassemble(on_gap="refuse").equals(rows)
    purge = again.log.get(bad).purge
    assert (purge is None) == (step == 1)
    if purge is not None:
        assert any(f"{bad} was purged (not finished)" in each for each in problems(again))
        with pytest.raises(IncompleteError, match=r"purged \(not finished\)"):
            again.reassemble(version=version, on_gap="refuse")
        with pytest.raises(AssemblyError, match="not finished"):
            again.restore(bad, "back")
    again.purge(bad, "no space", dry_run=False)
    assert files_of(again, bad) == []
    assert again.log.get(bad).purge.done
    assert again.log.get(bad).purge.rows == 45, "as counted at its begin"
    assert problems(again) == []
    assert all(removal.is_sealed(again.table(name).at()) for name in TABLES)


def test_of_two_purges_at_once_both_end_and_the_record_is_that_of_the_first(
    cohort, bad, run_together, tmp_path
):
    script = (
        f"lakebatch.open_lake({str(tmp_path / 'lake')!r})['cohort'].purge({bad!r}, 'no space', dry_run=False)"
    )
    run_together("import lakebatch\n", [script, script])
    purge = cohort.log.get(bad).purge
    assert purge.done
    assert purge.rows == 45
    assert problems(cohort) == []
