"""Sweeps in the lake: recorded, computed once, edited, resumed and read."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import polars as pl
import pytest
from processes import Command

import lakebatch
from lakebatch.assembly.record import InUseError
from lakebatch.assembly.shards import Shard
from lakebatch.assembly.sweep_claims import Claim
from lakebatch.errors import (
    AssemblyError,
    ConfigError,
    MixtureError,
    RunInterrupted,
    UnknownNameError,
)
from lakebatch.runner import resumable
from lakebatch.runner.assembly_run import Progress

ONE_PART = ["levels=[0.0]", "at_once=true"]
KEYS = {"seed": [1, 2]}


@pytest.fixture
def sweep(lake, toy):
    """Return a function that runs a sweep named ``s`` of the toy, of one part per assembly, in this process."""

    def run(keys=KEYS, **options):
        named = {"sweep_name": "s", "settings": ONE_PART, "jobs": 1, **options}
        return lakebatch.run(lake, toy, sweep=keys, **named)

    return run


def computed():
    """Return the number of parts that were computed."""
    return len(Path("computed").read_text().splitlines()) if Path("computed").exists() else 0


def states(run):
    return run.points["state"].to_list()


def test_sweep_computes_each_replicate_of_each_point_once(lake, sweep):
    done = sweep(replicates=2)
    assert done.is_done
    assert done.points.select("point", "replicate", "seed").rows() == [
        (1, 1, 1), (1, 2, 1), (2, 1, 2), (2, 2, 2)
    ]  # fmt: skip
    assert computed() == lake["toy"].reassemble(on_mix="refuse")["assembly_id"].n_unique() == 4
    assert len(set(lake["toy"].assemblies()["seed"])) == 4
    again = sweep(replicates=2)
    assert (again.computed, computed(), again.sweep.event) == ([], 4, 0)


def test_seeds_of_a_sweep_are_those_of_ordinary_runs(lake, sweep, tmp_path):
    sweep({"seed": [5]})
    other = lakebatch.open_lake(tmp_path / "other")
    lakebatch.run(other, "toy", jobs=1, settings=[*ONE_PART, "seed=5"])
    columns = ["level", "repeat", "mse", "r2"]
    rows, expected = (each["toy"].reassemble(on_gap="ignore") for each in (lake, other))
    assert rows.select(columns).equals(expected.select(columns))


def test_edit_adds_points_keeps_what_is_done_and_drops_the_others(lake, sweep):
    sweep()
    edited = sweep({"seed": [2, 3]}, replicates=2)
    assert computed() == 2 + 1 + 2
    assert [each.number for each in edited.sweep.points] == [1, 2, 3]
    assert lake["toy"].sweep("s").select("point", "state").unique().sort("point").rows() == [
        (1, "dropped"), (2, "done"), (3, "done")
    ]  # fmt: skip
    assert lake["toy"].reassemble(sweep="s").height == 5 * 3
    back = sweep({"seed": [1, 2, 3]}, replicates=2)
    assert back.is_done
    assert computed() == 6
    assert lake["toy"].sweeps()["done"].item() == 6


def test_failed_points_do_not_stop_the_others_and_are_tried_again(lake, sweep):
    done = sweep({"fail": [[], [0.0]], "seed": [1, 2]})
    assert states(done) == ["done", "done", "failed", "failed"]
    assert all("level 0.0 is bad" in why for why in done.failures.values())
    Path("mended").touch()
    assert resumable.choose(lake).sweep == "s"
    again = lakebatch.resume(lake, "s", jobs=1)
    assert again.is_done
    assert lake["toy"].assemblies().height == 4
    with pytest.raises(AssemblyError, match="Nothing to resume"):
        resumable.choose(lake)


def test_discarded_assembly_is_missing_again(lake, sweep):
    done = sweep()
    lake["toy"].discard(done.computed[0].assembly_id, "a reason")
    assert lake["toy"].sweep("s")["state"].to_list() == ["missing", "done"]
    assert resumable.choose(lake, "toy") == resumable.Resumable("toy", sweep="s")
    again = lakebatch.resume(lake, "toy", "s", jobs=1)
    assert [each.config_hash for each in again.computed] == [done.computed[0].config_hash]
    with pytest.raises(
        AssemblyError, match=r"has taken the place of .* in the sweep s: replicate 1 of point 1"
    ):
        lake["toy"].restore(done.computed[0].assembly_id, "it was right")


class Stopper(Progress):
    """Stops after a number of parts."""

    def __init__(self, after):
        self.after = after

    def part_committed(self, outcome, rows):
        self.after -= 1

    def wants_to_stop(self):
        return self.after <= 0


def test_interrupted_sweep_resumes_its_assembly_with_the_committed_parts(lake, sweep):
    with pytest.raises(RunInterrupted, match=r"0 of 2 assemblies .* lakebatch resume toy s"):
        sweep(settings=["levels=[0.0,0.1]"], progress=Stopper(1))
    assert lake["toy"].sweep("s")["state"].to_list() == ["interrupted", "missing"]
    again = lakebatch.resume(lake, "toy", jobs=1)
    assert again.is_done
    assert (computed(), lake["toy"].assemblies().height) == (4, 2)


def test_assembly_of_a_sweep_that_is_resumed_alone_stays_in_it(lake, sweep):
    with pytest.raises(RunInterrupted):
        sweep(settings=["levels=[0.0,0.1]"], progress=Stopper(1))
    found = lake["toy"].sweep("s")["assembly_id"][0]
    assert lakebatch.resume(lake, "toy", found, jobs=1).sweep["point"] == 1
    assert lake["toy"].sweep("s")["state"].to_list() == ["done", "missing"]


def test_two_sweeps_at_once_share_the_points(lake, sweep):
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(sweep({"seed": "range(1,7)"}))) for _ in range(2)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(len(each.computed) for each in outcomes) == computed() == 6
    assert lake["toy"].sweeps()["done"].item() == 6
    assert lake["toy"].reassemble()["assembly_id"].n_unique() == 6


def test_claim_is_refused_in_the_commit_that_begins_an_assembly(lake, sweep):
    sweep()
    stored = lake["toy"]
    assemblies = stored.log.latest()
    with pytest.raises(InUseError, match=assemblies[0].assembly_id):
        Claim("s", 1, 1).refuse_taken(assemblies)
    Claim("s", 1, 2).refuse_taken(assemblies)
    Claim("t", 1, 1).refuse_taken(assemblies)


def test_processes_that_are_killed_leave_each_point_once(slow):
    """Two processes share a sweep of two parts per point; one is killed in the middle of a part."""
    words = [
        "run",
        "toy",
        "--jobs",
        "1",
        "--sweep",
        "seed=1,2,3",
        "--set",
        "levels=[0.0,0.1]",
        "--sweep-name",
        "k",
    ]
    first = Command(slow, *words, label="first")
    first.wait_for_lines(1)
    second = Command(slow, *words, label="second")
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert second.wait() == 0, second.err
    lake = lakebatch.open_lake("lake")
    rest = lakebatch.resume(lake, "toy", "k", jobs=1)
    assert rest.is_done
    rows = lake["toy"].reassemble(on_gap="refuse", on_mix="refuse")
    assert lake["toy"].assemblies()["status"].to_list() == ["completed"] * 3
    assert rows.height == rows.select("assembly_id", "part", "repeat").n_unique() == 3 * 2 * 3


def test_tasks_of_an_array_share_the_assemblies(lake, sweep):
    run = [sweep({"seed": [1, 2, 3]}, shard=Shard(index, 2, "a"), sweep_name=None) for index in (1, 2)]
    assert [[each.sweep["point"] for each in one.computed] for one in run] == [[1, 3], [2]]
    assert run[1].sweep.name == "a"
    assert run[1].is_done


def test_more_tasks_than_assemblies_share_the_parts(lake, sweep):
    settings = ["levels=[0.0,0.1,0.2]"]
    for index in (1, 2, 3):
        last = sweep(KEYS, shard=Shard(index, 3, "a"), sweep_name=None, settings=settings)
    assert last.is_done
    assert (computed(), lake["toy"].assemblies().height) == (6, 2)


def test_invalid_points_are_refused_before_anything_is_recorded(lake, sweep):
    with pytest.raises(
        ConfigError, match=r"1 of 2 points .*point 2 \(seed=-1\): .*'seed' is -1 \(from --sweep\)"
    ):
        sweep({"seed": [1, -1]})
    with pytest.raises(ConfigError, match="Unknown config key 'sed'"):
        sweep({"sed": [1, 2]})
    with pytest.raises(ConfigError, match=r"Points 1 and 2 have the same config \(seed=1\)"):
        sweep({"seed": [1, 1]})
    with pytest.raises(ConfigError, match="all 2 replicates of a point would be the same"):
        sweep(replicates=2, seed=5)
    with pytest.raises(ConfigError, match="replicates is 0"):
        sweep(replicates=0)
    for name in ("a b", "20261123_142230_run001", "toy"):
        with pytest.raises(ConfigError, match=r"no name for a sweep|the name of an experiment"):
            sweep(sweep_name=name)
    assert "toy" not in lake


def test_sweep_keeps_its_seed(sweep):
    sweep(seed=5)
    with pytest.raises(AssemblyError, match="has the seed 5, not no seed"):
        sweep()


def test_secret_is_not_recorded(sweep, monkeypatch):
    monkeypatch.setenv("S3_SECRET_KEY", "tops3cretvalue")
    with pytest.raises(ConfigError, match="holds the value of a secret"):
        sweep({"breach": ["tops3cretvalue", ""]})


def test_other_code_is_refused_for_the_rest_of_a_sweep(lake, sweep, toy):
    done = sweep()
    lake["toy"].discard(done.computed[0].assembly_id, "a reason")
    file = Path("experiments/toy.py")
    file.write_text(file.read_text() + "# other\n")
    with pytest.raises(AssemblyError, match="lakebatch resume toy s --accept-changes"):
        lakebatch.resume(lake, "s", jobs=1)
    assert lakebatch.resume(lake, "s", jobs=1, accept_changes=True).is_done


def test_code_that_changes_meanwhile_ends_the_sweep(lake, sweep):
    class Editor(Progress):
        def ended(self):
            file = Path("experiments/toy.py")
            file.write_text(file.read_text() + "# other\n")

    with pytest.raises(AssemblyError, match="was begun with other code"):
        sweep(progress=Editor())
    assert lake["toy"].sweep("s")["state"].to_list() == ["done", "missing"]


def test_readers_select_a_sweep_and_do_not_warn_of_its_keys(lake, sweep, run):
    sweep()
    run(*ONE_PART)
    noise = lake["toy"]
    assert noise.reassemble(sweep="s", on_mix="refuse").height == 6
    with pytest.raises(MixtureError):
        noise.reassemble(on_mix="refuse")
    sweep(settings=[*ONE_PART, "breach='x'"], sweep_name="t")
    with pytest.raises(MixtureError, match="breach"):
        noise.reassemble(
            assembly=[*noise.sweep("s")["assembly_id"], *noise.sweep("t")["assembly_id"]], on_mix="refuse"
        )
    with pytest.raises(UnknownNameError, match=r"of the sweep 'u'. Known: s, t"):
        noise.reassemble(sweep="u")


def test_sql_has_a_row_per_replicate_with_config_keys_as_columns(lake, sweep):
    sweep({"seed": [1, 2], "fail": [[]]})
    text = "SELECT s.seed, count(*) FROM toy.results JOIN toy.sweeps s USING (assembly_id) GROUP BY ALL ORDER BY 1"
    assert lake.sql(text).rows() == [(1, 3), (2, 3)]
    columns = ["experiment", "version", "sweep", "point", "replicate", "state", "assembly_id", "config_hash"]
    assert lake.sql("SELECT * FROM lake.sweeps").columns == [*columns, "fail", "seed"]
    assert "CREATE TABLE lake.sweeps" in lake.snapshot().sql_setup()


def test_past_state_shows_the_sweep_of_that_time(lake, sweep):
    sweep()
    noise = lake["toy"]
    noise.tag("before")
    sweep({"seed": [1, 2, 3]})
    assert noise.sweeps(tag="before").select("points", "done").rows() == [(2, 2)]
    assert noise.sweep("s", tag="before").height == 2
    assert noise.sweeps().select("points", "done").rows() == [(3, 3)]


def test_preview_counts_what_is_to_do_and_estimates_its_time(lake, toy, sweep):
    plan = lakebatch.run(lake, toy, sweep=KEYS, replicates=3, settings=ONE_PART, dry_run=True)
    assert (plan.assemblies, plan.parts, plan.seconds) == (6, 6, None)
    assert "toy" not in lake
    sweep()
    plan = lakebatch.run(lake, toy, sweep=KEYS, replicates=3, settings=ONE_PART, dry_run=True, sweep_name="s")
    assert (plan.assemblies, plan.done, plan.parts, plan.runs) == (6, 2, 4, 2)
    took = lake["toy"].history().group_by("assembly_id").agg(pl.col("at").max() - pl.col("at").min())
    assert plan.seconds == pytest.approx(4 * took["at"].mean().total_seconds(), rel=1)


def test_unknown_names_list_the_known_ones(lake, sweep):
    sweep()
    with pytest.raises(UnknownNameError, match=r"Unknown sweep 't'\. Known: s"):
        lake["toy"].sweep("t")
    with pytest.raises(UnknownNameError, match="No sweep has this name either"):
        lakebatch.resume(lake, "no-such")
