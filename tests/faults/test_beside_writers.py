"""Readers, compaction, vacuum and tags in parallel with writers, each in its own process."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from processes import let_go_on, start_python

from lakebatch.lake.experiment import StoredExperiment
from lakebatch.storage import locate

FOLDER = "91_v1_toy"
PARTS = 4
SECONDS = 3.0

PREPARE = """
import json, random, sys, time, warnings
from datetime import UTC, datetime
from pathlib import Path
import polars as pl
import lakebatch
from lakebatch.maintenance import optimize
from lakebatch.assembly.record import Plan
from lakebatch.errors import LakebatchError
from lakebatch.legacy.frames.record import ensure, record
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.storage import locate
from lakebatch.lake.experiment import StoredExperiment

FOLDER, PARTS = "91_v1_toy", 4
warnings.simplefilter("error")
lake, seconds = sys.argv[1], float(sys.argv[2])
stored = StoredExperiment(locate(lake), FOLDER)
keys = tuple(f"part={index}" for index in range(PARTS))

def write():
    '''Run one assembly from start to end as a run does: rows, merged files, the last event.'''
    assembly = stored.log.start(Plan({}, keys, 1, None, (), "0", {}), stored.results.version())
    writer = PartWriter(stored.results, assembly.assembly_id, {})
    for key in keys:
        assert writer.append(key, pl.DataFrame({"repeat": [0, 1], "mse": [1.0, 2.0]}), datetime.now(UTC))
    optimize.compact_assembly(stored.results, stored.log.table, assembly.assembly_id)
    record(stored, assembly, "completed", parts=keys, done=PARTS, error=None)

def check(rows, whole=True):
    '''Each key once, every completed assembly with all its rows.'''
    assert rows.select("assembly_id", "part", "repeat").is_duplicated().sum() == 0
    counts = rows.group_by("assembly_id").len()["len"]
    assert set(counts) <= {2 * PARTS}, counts

def repeat(act):
    print("ready", flush=True)
    sys.stdin.readline()
    end, times = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        act(times)
        times += 1
    print(times)
"""
WRITE = "repeat(lambda times: write())"
COMPACT = "repeat(lambda times: stored.optimize())"
VACUUM = "repeat(lambda times: stored.vacuum(keep_days=0, dry_run=False))"
TAG = """
noted = {}
def act(times):
    tag = f"tag-{times}"
    stored.tag(tag)
    rows = stored.reassemble(tag=tag, on_gap="ignore")
    check(rows)
    noted[tag] = sorted(set(rows["assembly_id"]))
    time.sleep(0.05)
repeat(act)
Path(sys.argv[3]).write_text(json.dumps(noted))
"""
READ = """
first = stored.reassemble(tag="fixed")
version = stored.tags()["results_version"][0]
then = stored.reassemble(version=version, include=("started", "completed"), on_gap="ignore")
seen = [0]
def act(times):
    rows = stored.reassemble(on_gap="ignore")
    check(rows)
    assert rows.height >= seen[-1], "a completed assembly is gone"
    seen.append(rows.height)
    assert stored.reassemble(tag="fixed").equals(first)
    assert stored.reassemble(version=version, include=("started", "completed"), on_gap="ignore").equals(then)
    answer = lakebatch.open_lake(lake).sql(
        "SELECT assembly_id, count(*) AS rows, count(DISTINCT (part, repeat)) AS keys FROM toy.results GROUP BY ALL",
        on_gap="ignore",
    )
    assert set(answer["rows"]) == set(answer["keys"]) == {2 * PARTS}, answer
    assert answer.height >= seen[-1] // (2 * PARTS)
    pinned = stored.snapshot()  # read a moment later, when its files may be gone
    time.sleep(0.1)
    check(pinned.reassemble(on_gap="ignore"))
repeat(act)
"""


def test_every_read_in_parallel_with_writers_and_upkeep_is_consistent(
    tmp_path: Path,
) -> None:
    lake, noted = str(tmp_path / "lake"), tmp_path / "noted.json"
    first = [start_python(f"{PREPARE}ensure(stored)\n{WRITE}", lake, "0.3")]
    assert let_go_on(first)[0] == (0, "")
    stored = StoredExperiment(locate(lake), FOLDER)
    stored.tag("fixed")

    scripts = [WRITE, WRITE, COMPACT, VACUUM, TAG, READ, READ]
    processes = [start_python(PREPARE + each, lake, str(SECONDS), str(noted)) for each in scripts]
    assert let_go_on(processes) == [(0, "")] * len(scripts)

    _check_by_polars_alone(tmp_path / "lake" / FOLDER)
    tags = json.loads(noted.read_text())
    assert tags
    for tag, expected in tags.items():
        assert sorted(set(stored.reassemble(tag=tag, on_gap="ignore")["assembly_id"])) == expected


def _check_by_polars_alone(folder: Path) -> None:
    rows, events = (pl.read_delta(str(folder / table)) for table in ("results", "assemblies"))
    assert events.select("assembly_id", "event").is_duplicated().sum() == 0
    completed = events.filter(status="completed")["assembly_id"]
    assert rows.select("assembly_id", "part", "repeat").is_duplicated().sum() == 0
    counts = rows.filter(pl.col("assembly_id").is_in(completed.implode())).group_by("assembly_id").len()
    assert counts["len"].to_list() == [2 * PARTS] * completed.len()
    assert completed.len() > 2
