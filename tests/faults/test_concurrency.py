"""Several processes that write to one lake at once."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from harness import PARTS, REPEATS, SEED, comparable
from processes import APPEND, Command, let_go_on, run, start_python

import lakebatch
from lakebatch.storage import locate
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.table import Table

WRITERS = 8
APPENDS = 12
WITHOUT_TURNS = "from lakebatch.storage.delta import commit_lock\ncommit_lock.MAX_WAIT = 0.0\n" + APPEND
"""Append as from several machines, without a common commit lock."""

ELSEWHERE = """
import sys
from lakebatch import _process as process
from lakebatch.cli import main
host = sys.argv.pop(1)
process.host = process.namespace = lambda: host
print("ready", flush=True)
sys.stdin.readline()
main()
"""
"""The command line as on another machine; the first argument is its name."""


@pytest.mark.parametrize(
    ("script", "writers", "appends"),
    [(APPEND, WRITERS, APPENDS), (WITHOUT_TURNS, 4, 10)],
    ids=["in turns", "without turns"],
)
def test_append_by_many_processes_loses_and_doubles_nothing(
    tmp_path: Path, script: str, writers: int, appends: int
) -> None:
    ids = [f"20261123_142230_run{number:03d}" for number in range(writers)]
    processes = [start_python(script, str(tmp_path / "lake"), each, str(appends)) for each in ids]
    assert let_go_on(processes) == [(0, "")] * writers

    rows = pl.read_delta(str(tmp_path / "lake" / "91_v1_toy" / "results"))
    expected = {
        (each, f"part={index}", repeat) for each in ids for index in range(appends) for repeat in (0, 1)
    }
    assert rows.height == len(expected)
    assert set(rows.select("assembly_id", "part", "repeat").iter_rows()) == expected
    table = Table(locate(tmp_path / "lake"), "91_v1_toy", load_schema("results"))
    assert sum(commit.operation == "WRITE" for commit in table.commits()) == writers * appends


def test_same_parts_appended_by_many_processes_are_written_once(tmp_path: Path) -> None:
    one_id = "20261123_142230_run001"
    indifferent = APPEND.replace("assert writer", "writer")  # it may find that another has written the part
    writers = [start_python(indifferent, str(tmp_path / "lake"), one_id, str(PARTS)) for _ in range(4)]
    assert let_go_on(writers) == [(0, "")] * 4

    rows = pl.read_delta(str(tmp_path / "lake" / "91_v1_toy" / "results"))
    assert rows.height == rows.select("part", "repeat").n_unique() == PARTS * 2


@pytest.mark.parametrize("leases", [True, False], ids=["with leases", "without leases"])
def test_resume_on_two_machines_at_once_stores_every_row_once(folder: Path, leases: bool) -> None:
    reference = run(folder, "--lake", "reference", "run", "toy", "--jobs", "2", "--seed", str(SEED))
    assert reference.wait() == 0, reference.err
    slow = ("--set", "pause=0.4")  # so that both run at the same time
    killed = Command(folder, "--lake", "lake", "run", "toy", "--jobs", "2", "--seed", str(SEED), *slow)
    killed.wait_for_lines(3)
    assert killed.kill()

    (assembly_id,) = lakebatch.open_lake(folder / "lake")["toy"].assemblies()["assembly_id"]
    resume = ("--lake", "lake", "resume", "toy", assembly_id, "--jobs", "1")
    place = folder / "lake" / "91_v1_toy" / "leases"
    for left in place.iterdir():
        left.unlink()  # as time does
    if not leases:
        place.rmdir()
        place.touch()
    both = [start_python(ELSEWHERE, host, *resume, folder=folder) for host in ("one", "other")]
    ends = sorted(let_go_on(both))
    assert [code for code, _ in ends] == [0, int(leases)], ends
    stored = lakebatch.open_lake(folder / "lake")["toy"]
    assert stored.assemblies()["status"].to_list() == ["completed"]
    resumed = stored.log.events().filter(pl.col("status") == "started", pl.col("pid").is_not_null())
    if leases:
        assert re.search(rf"Error: {assembly_id} is being computed by process \d+ on o\w+ since ", ends[1][1])
    else:
        assert resumed["host"].to_list()[1:] in (["one", "other"], ["other", "one"])
        assert "leases" in ends[0][1]
    expected = lakebatch.open_lake(folder / "reference")["toy"].reassemble()
    assert comparable(stored.reassemble(on_gap="refuse")).equals(comparable(expected))


def test_runs_started_at_one_instant_get_different_ids(folder: Path) -> None:
    runs = [
        Command(
            folder, "--lake", "lake", "run", "toy", "--jobs", "1", "--set", "pause=0", label=f"run{number}"
        )
        for number in range(3)
    ]
    assert [each.wait() for each in runs] == [0, 0, 0], [each.err for each in runs]
    stored = lakebatch.open_lake(folder / "lake")["toy"]
    assemblies = stored.assemblies()
    assert assemblies["assembly_id"].str.slice(-6).to_list() == ["run001", "run002", "run003"]
    assert assemblies["status"].to_list() == ["completed"] * 3
    assert assemblies["seed"].n_unique() == 3
    rows = stored.reassemble(on_gap="refuse")
    assert rows.height == rows.select("assembly_id", "part", "repeat").n_unique() == 3 * PARTS * REPEATS
