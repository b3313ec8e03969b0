"""Shards: several processes compute one assembly, each a share of its parts."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import polars as pl
import pytest

import lakebatch
from lakebatch.assembly import shards
from lakebatch.assembly.shards import Shard
from lakebatch.errors import AssemblyError, ConfigError, IncompleteWarning, RunInterrupted
from lakebatch.executor.worker import Outcome
from lakebatch.experiment import registry
from lakebatch.runner.assembly_run import Progress
from lakebatch.storage.delta.schema import load_schema

ALL = 3
SMALL = (
    "cohort.n_samples=12",
    'evaluation.models=["linear_regression", "support_vector"]',
    'evaluation.feature_sets=["initial", "dynamic"]',
)
KEYS = {
    "results": ["level", "feature_set", "model", "repeat"],
    "samples": ["level", "sample"],
    "trajectories": ["level", "sample", "species"],
}


@pytest.fixture
def shard(lake, toy):
    """Return a function that runs one shard of the array "a" in this process."""

    def run(index, *settings, of=ALL, array="a", seed=7, progress=None):
        share = Shard(index, of, array)
        return lakebatch.run(lake, toy, jobs=1, shard=share, seed=seed, settings=settings, progress=progress)

    return run


def rows_of(lake, assembly) -> pl.DataFrame:
    rows = lake["toy"].scan(include=("completed", "failed", "started"))
    return (
        rows.filter(assembly_id=assembly.assembly_id)
        .drop("assembly_id", "recorded_at")
        .collect()
        .sort("level", "repeat")
    )


def computed() -> list[str]:
    """Return the parts computed, in order, one entry per computation."""
    return Path("computed").read_text().split()


@pytest.mark.parametrize("of", [1, 2, 3, 5, 8, 11])
def test_shards_compute_every_part_once(of):
    parts = list(range(8))
    shares = [Shard(index, of, "a").share(parts) for index in range(1, of + 1)]
    assert sorted(chain.from_iterable(shares)) == parts
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_last_shard_completes_the_assembly_with_the_rows_of_a_run(lake, toy, shard):
    first, second, last = shard(2), shard(1), shard(3)
    assert first.assembly_id == second.assembly_id == last.assembly_id
    assert [each.status for each in (first, second, last)] == ["started", "started", "completed"]
    assert [each.parts_done for each in (first, second, last)] == [1, 2, 3]
    assert computed() == ["level=0.1", "level=0", "level=0.2"]
    whole = lakebatch.run(lake, toy, jobs=1, seed=7)
    assert rows_of(lake, last).equals(rows_of(lake, whole))


def test_replicate_of_an_array_gets_its_seed_from_its_number(shard):
    assert shard(1, seed=None).seed == shard(2, seed=None).seed == shard(3, seed=None).seed
    assert shard(1, seed=None, array="b").seed != shard(1, seed=None).seed


def test_more_shards_than_parts_do_no_harm(shard):
    ended = [shard(index, of=5) for index in (5, 4, 3, 2, 1)]
    assert [each.status for each in ended] == ["started"] * 4 + ["completed"]


def test_missing_shard_is_a_named_gap_that_resume_fills(lake, toy, shard):
    shard(1)
    left = shard(3)
    stored = lake[toy]
    assert stored.status(left.assembly_id) == "interrupted"
    (missing,) = stored.completeness().filter(~pl.col("present")).iter_rows(named=True)
    assert missing["part"] == "level=0.1"
    assert missing["why"] == "interrupted, never computed (shard 2 of 3 has not begun)"
    with pytest.warns(IncompleteWarning, match=r"no rows of part level=0.1 \(shard 2 of 3 has"):
        stored.reassemble(include=["started"])
    resumed = lakebatch.resume(lake, toy, left.assembly_id, jobs=1)
    assert (resumed.status, resumed.rows) == ("completed", 9)
    assert computed().count("level=0") == 1


def test_failed_shard_is_reported_by_the_last_one_and_completed_by_resume(lake, toy, shard):
    failing = "fail=[0.0]"
    assert shard(1, failing).status == "started"
    assert shard(2, failing).status == "started"
    last = shard(3, failing)
    assert (last.status, last.parts_done) == ("failed", 2)
    assert last.failures == {"level=0": "ValueError: level 0.0 is bad"}
    Path("mended").touch()
    resumed = lakebatch.resume(lake, toy, jobs=1)
    assert (resumed.status, resumed.error, resumed.rows) == ("completed", None, 9)


def test_restarted_task_computes_only_missing_parts(shard):
    failing = "fail=[0.0]"
    for index in (1, 2, 3):
        failed = shard(index, failing)
    assert failed.status == "failed"
    Path("mended").touch()
    again = shard(1, failing)
    assert (again.status, again.error, again.assembly_id) == ("completed", None, failed.assembly_id)
    assert computed() == ["level=0", "level=0.1", "level=0.2", "level=0"]
    assert shard(2, failing).status == "completed"
    assert len(computed()) == 4


class Interrupt(Progress):
    def part_committed(self, outcome: Outcome, rows: int) -> None:
        raise KeyboardInterrupt


def test_interrupted_shard_leaves_the_assembly_resumable(lake, toy, shard):
    wide = "levels=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5]"
    shard(2, wide)
    with pytest.raises(RunInterrupted, match=r"lakebatch resume toy \S+ --shard 1/3"):
        shard(1, wide, progress=Interrupt())
    left = shard(3, wide)
    assert (left.status, left.parts_done) == ("started", 5)
    why = lake[toy].completeness().filter(~pl.col("present"))["why"].to_list()
    assert why == ["interrupted, never computed (shard 1 of 3 was interrupted)"]
    resumed = lakebatch.resume(lake, toy, left.assembly_id, jobs=1, shard=Shard(1, 3, "a"))
    assert (resumed.status, resumed.rows) == ("completed", 18)


def test_assembly_is_running_while_one_shard_is(lake, toy, shard):
    left = shard(1)
    stored = lake[toy]
    shards.join(stored.log, left, Shard(2, ALL, "a"), code_version="0", environment={})
    left = shard(3)
    assert stored.status(left.assembly_id) == "started"
    with pytest.raises(AssemblyError, match="is being computed by process"):
        lakebatch.resume(lake, toy, left.assembly_id, jobs=1)
    with pytest.raises(AssemblyError, match="is being computed by process"):
        stored.discard(left.assembly_id, "too early")
    why = stored.completeness().filter(~pl.col("present"))["why"][0]
    assert "shard 2 of 3 is at work on" in why


def test_shard_that_comes_back_after_a_takeover_changes_nothing(lake, toy, shard, monkeypatch):
    """Another machine took it for dead and resumed the assembly."""
    late, stored = Shard(2, ALL, "a"), None
    left = shard(1)
    stored = lake[toy]
    begun = shards.join(stored.log, left, late, code_version="0", environment={})
    monkeypatch.setattr("lakebatch._process.namespace", lambda: "elsewhere")
    resumed = lakebatch.resume(lake, toy, left.assembly_id, jobs=1)
    assert (resumed.status, resumed.rows) == ("completed", 9)
    events = stored.log.events().height
    assert shards.leave(stored.log, begun, late, "done", {}, {}) == resumed
    assert stored.log.events().height == events


def test_shards_of_one_array_must_agree_on_config_and_count(shard):
    shard(1)
    with pytest.raises(
        AssemblyError, match=r"The array a began .* with another config\. Give all its tasks the same"
    ):
        shard(2, "levels=[0.0, 0.1]")
    with pytest.raises(
        AssemblyError, match=r"The array a has 3 shards, not 4\. Give all its tasks the same number"
    ):
        shard(2, of=4)
    with pytest.raises(AssemblyError, match=r"with the seed 7, not 8\. Give all its tasks the same one"):
        shard(2, seed=8)
    assert shard(2, seed=None).seed == 7


def test_shard_of_a_discarded_assembly_is_refused(lake, toy, shard):
    left = shard(1)
    lake[toy].discard(left.assembly_id, "a wrong idea")
    with pytest.raises(AssemblyError, match=r"is discarded\. Take it back first with: lakebatch restore"):
        shard(2)
    assert computed() == ["level=0"]


def test_record_lists_the_state_of_each_shard(lake, shard):
    shard(1)
    shard(2)
    done = shard(3)
    record = json.loads(done.environment)["shards"]
    assert (record["array"], record["of"], sorted(record["members"])) == ("a", 3, ["1", "2", "3"])
    assert {member["ended"] for member in record["members"].values()} == {"done"}


@pytest.mark.parametrize(
    ("text", "array", "environment", "message"),
    [
        ("0/3", "a", {}, "Expected I/N with I from 1 to N"),
        ("4/3", "a", {}, "number the tasks of an array from 1"),
        ("one", "a", {}, "shard is 'one'"),
        ("1/3", None, {}, "Give each of them the same array=NAME"),
        ("1/3", "a b", {}, "Expected letters, digits"),
        ("1/3", "", {"SLURM_ARRAY_JOB_ID": "17"}, "array is ''. Expected letters, digits"),
    ],
)
def test_invalid_shard_is_named(text, array, environment, message):
    with pytest.raises(ConfigError, match=message):
        shards.parse(text, array, environment)


@pytest.mark.parametrize(
    ("environment", "array"),
    [
        ({"SLURM_ARRAY_JOB_ID": "17", "SLURM_CLUSTER_NAME": "north"}, "slurm-north-17"),
        ({"PBS_ARRAY_ID": "18", "SLURM_CLUSTER_NAME": "north"}, "pbs-18"),
        ({"LSB_JOBID": "19"}, "lsf-19"),
    ],
)
def test_array_is_named_after_the_batch_job_id(environment, array):
    assert shards.parse("1/2", None, environment).array == array
    assert shards.parse("1/2", "own", environment).array == "own"


@pytest.mark.parametrize(
    "name", [name for name, each in registry.find().items() if each.origin == "built in"]
)
def test_shards_of_a_built_in_experiment_give_the_rows_of_one_process(lake, name):
    given = {"preset": "smoke", "settings": SMALL, "seed": 5, "jobs": 1}
    whole = lakebatch.run(lake, name, **given)
    first = lakebatch.run(lake, name, shard=Shard(2, 2, "a"), **given)
    last = lakebatch.run(lake, name, shard=Shard(1, 2, "a"), **given)
    assert (first.status, last.status, last.rows) == ("started", "completed", whole.rows)
    for table in ("results", "samples", "trajectories"):
        volatile = [column.name for column in load_schema(table).columns if column.volatile]
        rows = lake[name].reassemble(table=table, on_gap="refuse")
        one, other = (
            rows.filter(assembly_id=each.assembly_id).drop(volatile).sort(KEYS[table])
            for each in (whole, last)
        )
        assert one.equals(other), table
