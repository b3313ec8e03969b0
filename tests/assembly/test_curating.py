"""Discarding and restoring assemblies, completeness and replicates."""

import random
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.assembly.shards import Shard
from lakebatch.cli.main import main
from lakebatch.errors import AssemblyError, ConfigError, StorageError
from lakebatch.runner.assembly_run import Progress

STOPPED = (
    r"_run001 was discarded meanwhile on \S+: it is the wrong one\. This run has stopped\. Take it back with: "
    r"lakebatch restore toy \S+_run001 --reason TEXT, then go on with: lakebatch resume toy \S+_run001$"
)


def test_discarded_assembly_leaves_the_dataset_and_comes_back(stored, run):
    run()
    first = stored.assemblies()["assembly_id"][0]
    rows = stored.reassemble()
    assert stored.discard(first, "wrong dose").status == "discarded"
    assert stored.status(first) == "discarded"
    assert first not in set(stored.reassemble(on_gap="refuse")["assembly_id"])
    assert stored.history()["note"].to_list()[-1] == "wrong dose"
    assert stored.restore(first, "dose was right").status == "completed"
    assert stored.reassemble(on_gap="refuse").equals(rows)


def test_decision_changes_no_earlier_version(stored):
    (first,) = stored.assemblies()["assembly_id"]
    version, rows, assemblies = stored.snapshot().version, stored.reassemble(), stored.assemblies()
    stored.discard(first, "wrong dose")
    discarded = stored.snapshot().version
    stored.restore(first, "dose was right")
    assert stored.reassemble(version=version).equals(rows)
    assert stored.assemblies(version=version).equals(assemblies)
    assert stored.reassemble(version=discarded, on_gap="refuse").is_empty()
    assert stored.reassemble().equals(rows)


def test_failed_assembly_is_failed_again_when_it_is_restored(stored, run):
    failed = run("fail=[0.1]").assembly_id
    why = stored.completeness().filter(~pl.col("present"))["why"].to_list()
    stored.discard(failed, "a bad config")
    assert stored.snapshot().gaps() == []
    assert stored.restore(failed, "worth another try").status == "failed"
    assert stored.completeness().filter(~pl.col("present"))["why"].to_list() == why


def test_invalid_decision_is_refused(stored):
    (first,) = stored.assemblies()["assembly_id"]
    with pytest.raises(AssemblyError, match=r"is completed. Expected one that is discarded"):
        stored.restore(first, "why not")
    with pytest.raises(ConfigError, match=r"The reason is empty"):
        stored.discard(first, "  ")
    stored.discard(first, "wrong dose")
    with pytest.raises(AssemblyError, match=r"is discarded. Expected one that is started or completed"):
        stored.discard(first, "once more")
    assert stored.history().height == 3


class Impatient(Progress):
    """Progress hook: calls a function as another process once the table holds a number of parts."""

    def __init__(self, monkeypatch, decide, parts=1):
        self.monkeypatch, self.decide, self.parts = monkeypatch, decide, parts

    def part_committed(self, outcome, rows):
        self.parts -= 1
        if self.parts == 0:
            with self.monkeypatch.context() as patch:
                patch.setattr("lakebatch._process.namespace", lambda: "elsewhere")
                self.decide()


@pytest.fixture
def discard(lake, toy):
    """Return a function that discards the only assembly."""
    return lambda: lake[toy].discard(lake[toy].log.events()["assembly_id"][0], "it is the wrong one.")


@pytest.mark.parametrize("shard", [None, Shard(1, 2, "a")])
def test_run_discarded_meanwhile_commits_nothing_more_and_says_so(lake, toy, monkeypatch, discard, shard):
    with pytest.raises(AssemblyError, match=STOPPED):
        lakebatch.run(lake, toy, jobs=1, shard=shard, progress=Impatient(monkeypatch, discard))
    assert lake[toy].assemblies().select("status", "rows").rows() == [("discarded", 3)]
    assert lake[toy].history()["status"].to_list() == ["started", "discarded"]


def test_run_discarded_meanwhile_does_not_wait_for_its_workers(lake, toy, monkeypatch, discard):
    monkeypatch.setattr("lakebatch.runner.assembly_run.CHECK_SECONDS", 0.0)
    progress = Impatient(monkeypatch, discard, parts=2)
    with pytest.raises(AssemblyError, match=STOPPED):
        lakebatch.run(lake, toy, jobs=2, settings=["wait=[0.2]"], progress=progress)
    assert lake[toy].assemblies().select("status", "rows").rows() == [("discarded", 6)]


def test_interrupted_run_reports_that_it_was_discarded(lake, toy, monkeypatch, discard):
    class Interrupted(Impatient):
        def part_committed(self, outcome, rows):
            super().part_committed(outcome, rows)
            raise KeyboardInterrupt

    with pytest.raises(AssemblyError, match=STOPPED):
        lakebatch.run(lake, toy, jobs=1, progress=Interrupted(monkeypatch, discard))


def test_run_completed_meanwhile_ends_well_and_says_so(lake, toy, monkeypatch, caplog):
    """The run was paused until its lease expired."""

    def take_over():
        for left in Path("lake", "90_v1_toy", "leases").iterdir():
            left.unlink()
        assert lakebatch.resume(lake, toy, jobs=1).status == "completed"

    ended = lakebatch.run(lake, toy, jobs=1, progress=Impatient(monkeypatch, take_over))
    assert (ended.status, ended.rows) == ("completed", 9)
    assert f"{ended.assembly_id} was completed meanwhile by a process on" in caplog.text
    assert Path("computed").read_text().split() == ["level=0", "level=0.1", "level=0.2", "level=0.1"]


def test_failed_status_check_does_not_stop_the_run(lake, toy, monkeypatch):
    def fail(*_):
        raise StorageError("S3 says no.")

    monkeypatch.setattr("lakebatch.assembly.events.AssemblyLog.cached_latest", fail)
    assert lakebatch.run(lake, toy, jobs=1).status == "completed"


def test_completeness_names_each_missing_part_and_why(stored, run):
    failed = run("fail=[0.1]").assembly_id
    parts = stored.completeness()
    assert parts.height == 6
    (missing,) = parts.filter(~pl.col("present")).rows(named=True)
    assert (missing["assembly_id"], missing["part"]) == (failed, "level=0.1")
    assert missing["why"] == "ValueError: level 0.1 is bad"
    assert missing["status"] == "failed"


def test_replicates_of_one_config_are_listed_and_those_of_one_seed_compared(lake, toy, run):
    run()
    run("levels=[0, 0.5]")
    for _ in range(2):
        lakebatch.run(lake, toy, jobs=1, seed=5)
    listed = lake[toy].replicates()
    assert listed["replicates"].to_list() == [3, 3, 3]
    assert listed["same_seed"].to_list() == [1, 2, 2]
    assert listed["agrees"].to_list() == [None, True, True]


def test_contradicting_replicates_are_found(lake, toy, tmp_path):
    lakebatch.run(lake, toy, jobs=1, seed=5)
    file = tmp_path / "experiments" / "toy.py"
    file.write_text(file.read_text().replace("float(rng.normal()) ** 2", "1 + float(rng.normal()) ** 2"))
    assert lakebatch.run(lake, toy, jobs=2, seed=5).status == "completed"  # jobs=2 reloads the file
    assert lake[toy].replicates()["agrees"].to_list() == [True, False]


def test_every_past_version_stays_as_it_was_first_read(lake, toy, run):
    """Runs, failures, resumes and decisions in any order; every state read once is read again at the end."""
    random.seed(1)
    run()
    stored = lake[toy]
    states = {}
    for _ in range(12):
        _do_something(stored, run, random.choice(["run", "run", "fail", "resume", "discard", "restore"]))
        if random.random() < 0.3:
            stored.optimize()
        snapshot = stored.snapshot()
        states[snapshot.version] = (snapshot.reassemble(on_gap="ignore"), snapshot.ids())
    stored.vacuum(keep_days=0, dry_run=False)
    assert len(states) > 6
    for version, (rows, ids) in states.items():
        past = stored.snapshot(version=version)
        assert past.ids() == ids, version
        assert past.reassemble(on_gap="ignore").equals(rows), version


def _do_something(stored, run, action):
    by_state = {state: stored.snapshot().ids([state]) for state in ("completed", "failed", "discarded")}
    if action == "run":
        run()
    elif action == "fail":
        run("fail=[0.1]")
    elif action == "resume" and by_state["failed"]:
        lakebatch.resume(lakebatch.open_lake(stored.storage.uri), "toy", by_state["failed"][0], jobs=1)
    elif action == "discard" and by_state["completed"]:
        stored.discard(random.choice(by_state["completed"]), "for a test")
    elif action == "restore" and by_state["discarded"]:
        stored.restore(random.choice(by_state["discarded"]), "for a test")


def shown(lake, *command):
    """Return a command's whole output."""
    done = CliRunner().invoke(main, ["--lake", str(lake.storage.uri), *command])
    assert done.exit_code == 0, done.output
    return done.output


def test_empty_answer_is_a_sentence(lake, toy, run):
    run()
    run("levels=[0, 0.5]")
    assert "No two assemblies share a config." in shown(lake, "replicates", toy)
    same = ("diff", toy, "now", "now", "--metric", "mse")
    assert "\nmetrics: No mean of mse differs (of 4)." in shown(lake, *same)
    assert '"shift":0.0' in shown(lake, *same, "--format", "json")


def test_du_explains_files_without_an_assembly(lake, toy, run):
    run()
    assert "Rows without an assembly: logs" in shown(lake, "du", "--by", "assembly")
    assert "Rows without" not in shown(lake, "du", "--by", "table")
