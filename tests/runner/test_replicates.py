"""Sets of replicates: a given number, or until a mean is precise enough."""

import shutil
from pathlib import Path

import pytest

import lakebatch
from lakebatch.analysis import precision
from lakebatch.assembly import replica_sets, replication
from lakebatch.errors import AssemblyError, ConfigError, RunInterrupted, UnknownNameError
from lakebatch.runner import replicates, resumable
from lakebatch.runner.assembly_run import Progress

PI = Path(__file__).parents[1] / "estimate_pi.py"
SMALL = {"points": [10], "repeats": 2}
LEVELS = [0.0, 0.1]


class StopAfter(Progress):
    """Stops as Ctrl-C does, after a number of committed parts."""

    def __init__(self, parts):
        self.parts = parts

    def part_committed(self, outcome, rows):
        self.parts -= 1
        if not self.parts:
            raise KeyboardInterrupt


def members(lake, name):
    (found,) = replica_sets.of_sets(lake[name].log.latest()).values()
    return found


@pytest.fixture
def pi(tmp_path, monkeypatch):
    """Return the name of an experiment with metrics and groups of its own; the rule stops after 3 replicates here."""
    monkeypatch.setattr(precision, "MIN_REPLICATES", 3)
    (tmp_path / "experiments").mkdir()
    shutil.copy(PI, tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    return "estimate-pi"


def test_replicates_are_independent_assemblies_of_one_set(lake, toy):
    ended = lakebatch.run(lake, toy, levels=LEVELS, replicates=3, jobs=1)
    found = members(lake, toy)
    assert [each.status for each in found] == ["completed"] * 3
    assert [str(each.replicate) for each in found] == [f"replicate {i} of 3" for i in (1, 2, 3)]
    assert len({each.seed for each in found}) == len({each.run_number for each in found}) == 3
    assert len({each.config_hash for each in found}) == 1
    assert ended.decision == "3 of 3 replicates are completed"
    assert lake[toy].history()["note"].to_list()[-1] == ended.decision
    assert ended.reassemble(on_gap="refuse").height == sum(each.rows for each in found)
    assert "3 of 3 replicates completed, 18 rows" in repr(ended)


def test_seed_gives_the_same_set_of_different_replicates(lake, toy):
    first, again = (lakebatch.run(lake, toy, levels=[0.0], replicates=2, jobs=1, seed=7) for _ in range(2))
    seeds = [[each.seed for each in ended.assemblies] for ended in (first, again)]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 2
    assert first.reassemble()["mse"].equals(again.reassemble()["mse"])


def test_interrupted_set_goes_on_where_it_was(lake, toy):
    with pytest.raises(RunInterrupted) as stopped:
        lakebatch.run(lake, toy, levels=LEVELS, replicates=3, jobs=1, progress=StopAfter(3))
    assert (
        "Interrupted in replicate 2 of 3 with 1 of 2 parts done. Continue with: lakebatch resume toy"
        in str(stopped.value)
    )
    computed = Path("computed")
    computed.unlink()
    ended = lakebatch.resume(lake, toy, jobs=1)
    assert len(computed.read_text().splitlines()) == 3  # the part that was missing, and the third replicate
    assert [each.replicate.index for each in ended.assemblies] == [1, 2, 3]
    with pytest.raises(AssemblyError, match="Nothing to resume"):
        lakebatch.resume(lake, toy, jobs=1)


def test_set_that_was_killed_between_two_replicates_goes_on(lake, toy, monkeypatch):
    """What kill -9 leaves then: a completed replicate, and no event that ends the set."""
    with pytest.raises(RunInterrupted, match=r"Interrupted with 1 of 3 replicates completed\. Continue with"):
        lakebatch.run(lake, toy, levels=LEVELS, replicates=3, jobs=1, progress=_StopBetween())
    assert resumable.choose(lake).experiment == toy
    assert len(lakebatch.resume(lake, toy, jobs=1).assemblies) == 3


class _StopBetween(Progress):
    """Stops as Ctrl-C does between two replicates."""

    has_ended = False

    def ended(self):
        self.has_ended = True

    def wants_to_stop(self):
        return self.has_ended


def test_failed_replicates_stop_the_set_and_are_tried_again(lake, toy):
    ended = lakebatch.run(lake, toy, levels=LEVELS, set={"fail": [0.1]}, replicates=4, jobs=1)
    assert ended.status == "failed"
    assert [each.status for each in ended.assemblies] == ["failed"] * 3
    assert ended.decision is None
    Path("mended").touch()
    resumed = lakebatch.resume(lake, toy, jobs=1)
    assert [each.status for each in resumed.assemblies] == ["completed"] * 4
    assert resumed.decision == "4 of 4 replicates are completed"


def test_discarded_replicate_is_replaced_when_its_set_is_resumed(lake, toy):
    first = lakebatch.run(lake, toy, levels=[0.0], replicates=2, jobs=1).assemblies[0]
    lake[toy].discard(first.assembly_id, "bad")
    with pytest.raises(AssemblyError, match="Nothing to resume"):
        lakebatch.resume(lake, toy, jobs=1)
    ended = lakebatch.resume(lake, toy, members(lake, toy)[1].assembly_id, jobs=1)
    assert [each.status for each in ended.assemblies] == ["discarded", "completed", "completed"]
    assert ended.decision == "2 of 2 replicates are completed; not counted: 1 discarded"


def test_replicates_end_once_every_group_is_precise(lake, pi):
    ended = lakebatch.run(lake, pi, set=SMALL, until="ci(hits) < 0.6", max_replicates=9, seed=1, jobs=1)
    count = len(ended.assemblies)
    assert count == 5
    assert ended.decision.startswith(f"stopped after {count} replicates: widest ci(hits) ")
    assert ended.decision.endswith(("of antithetic at points 10", "of uniform at points 10"))
    assert lake[pi].log.get(ended.assembly_id).note == ended.decision
    again = lakebatch.resume(lake, pi, ended.assembly_id, jobs=1)
    assert (len(again.assemblies), again.event) == (count, ended.event)

    lake[pi].discard(ended.assemblies[0].assembly_id, "bad")
    more = lakebatch.resume(lake, pi, ended.assembly_id, jobs=1)
    assert "not counted: 1 discarded" in more.decision


def test_replicates_end_at_their_largest_number(lake, pi):
    ended = lakebatch.run(
        lake,
        pi,
        set=SMALL,
        until="ci(hits) < 0.1%",
        group="method=uniform",
        max_replicates=3,
        jobs=1,
    )
    assert len(ended.assemblies) == 3
    assert ended.decision.startswith("stopped at --max-replicates 3, not ci(hits) < 0.1%: widest ci(hits) ")
    assert ended.decision.endswith("of uniform at points 10")
    assert ended.replicate.group == "method=uniform"


def test_metric_and_groups_are_checked_before_anything_begins(lake, pi):
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'r2'"):
        lakebatch.run(lake, pi, set=SMALL, until="ci(r2) < 1", jobs=1)
    with pytest.raises(ConfigError, match="'model' tells no groups apart"):
        lakebatch.run(lake, pi, set=SMALL, until="ci(hits) < 1", group="model=ridge", jobs=1)
    assert lake[pi].log.latest() == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"replicates": 0}, "replicates is 0. Expected 1 to 100000"),
        ({"replicates": 2.5}, "replicates is 2.5. Expected 1 to 100000"),
        ({"replicates": True}, "replicates is True. Expected"),
        ({"replicates": 2, "until": "ci(r2) < 1"}, "exclude each other"),
        (
            {"until": "ci(r2) < 1", "max_replicates": 9},
            "Expected 10 to 100000: the rule does not stop before",
        ),
        ({"max_replicates": 20}, "belongs to a condition"),
        ({"group": "model=a"}, "belongs to a condition"),
        ({"until": "ci(r2)"}, "Expected a measure of a metric"),
    ],
)
def test_wrong_request_is_one_line(arguments, why):
    with pytest.raises(ConfigError) as caught:
        replicates.requested(**arguments)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_processes_share_a_set_and_double_nothing(lake, toy, tmp_path, run_together):
    with pytest.raises(RunInterrupted):
        lakebatch.run(lake, toy, levels=LEVELS, replicates=4, jobs=1, progress=_StopBetween())
    first = members(lake, toy)[0].assembly_id
    lake_uri, folder = str(tmp_path / "lake"), str(tmp_path)
    script = (
        f"os.chdir({folder!r}); lakebatch.resume(lakebatch.open_lake({lake_uri!r}), 'toy', {first!r}, jobs=1)"
    )
    run_together("import os, lakebatch\n", [script] * 2)
    found = members(lake, toy)
    assert [each.replicate.index for each in found] == [1, 2, 3, 4]
    assert [each.status for each in found] == ["completed"] * 4
    rows = lake[toy].reassemble(on_gap="refuse")
    assert rows.group_by("assembly_id", "part").len()["len"].unique().to_list() == [3]


@pytest.mark.parametrize(
    "record",
    [None, [], {}, {"set": "a", "index": "1", "of": 2}, {"set": "a", "index": 1, "of": 2, "until": 3}],
)
def test_record_of_another_form_is_known(record):
    assert not replication.is_record(record)


def test_record_is_read_back():
    place = replicates.requested(until="sem(r2) < 1%", group=" model = a ").at(3)
    assert replication.is_record(place.record())
    assert replication.from_record(place.record()) == place
