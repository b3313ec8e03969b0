"""Datasets now, at a version and at a time, and their gaps."""

import warnings
from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest

import lakebatch
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import Plan
from lakebatch.errors import ConfigError, IncompleteError, IncompleteWarning, UnknownNameError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.snapshot.gaps import MAX_GAPS, Gap, report_gaps


def levels(frame):
    return sorted(set(frame["level"]))


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_dataset_is_every_completed_assembly_in_the_order_of_the_runs(stored, run):
    run("levels=[0, 0.5]")
    rows = stored.reassemble()
    assert rows.height == 15
    assert (
        rows["assembly_id"].unique(maintain_order=True).to_list()
        == stored.assemblies()["assembly_id"].to_list()
    )
    for _, group in rows.group_by("assembly_id"):
        assert group.select("level", "repeat").rows() == sorted(group.select("level", "repeat").rows())


def test_dataset_at_the_version_of_a_run_never_changes(stored, run):
    version = stored.history()["version"].max()
    first, assemblies = stored.reassemble(), stored.assemblies()
    run("levels=[0, 0.7]")
    run("fail=[0.1]")
    again = stored.reassemble(version=version, on_gap="refuse")
    assert again.equals(first)
    assert stored.assemblies(version=version).equals(assemblies)
    assert stored.scan(version=version).collect().height == 9


def test_dataset_before_the_end_of_a_run_leaves_it_out(stored):
    last = stored.history()["version"].max()
    for version in range(last):
        assert stored.reassemble(version=version, on_gap="ignore").is_empty()


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_dataset_at_a_time_holds_the_runs_recorded_by_then(stored, run):
    moment = datetime.now(UTC)
    first = stored.reassemble()
    version = stored.results.version()
    run("levels=[0, 0.7]")
    assert stored.snapshot(as_of=moment).version == version
    for time in (
        moment,
        moment.isoformat(),
        moment.astimezone(timezone(timedelta(hours=-5))),
        moment.astimezone().replace(tzinfo=None),
    ):
        assert stored.reassemble(as_of=time, on_gap="refuse").equals(first)
    assert stored.reassemble(as_of=datetime.now(UTC)).height == 15


def test_time_before_the_first_event_is_an_error(stored):
    with pytest.raises(
        ConfigError, match=r"Nothing was recorded by 2020-01-01 23:59:59 UTC. The first event is of 20"
    ):
        stored.reassemble(as_of="2020-01-01T23:59:59Z")


@pytest.mark.parametrize("version", [-1, 99])
def test_missing_version_is_an_error(stored, version):
    with pytest.raises(
        ConfigError, match=f"There is no version {version}. Expected 0 to 5; see: lakebatch history"
    ):
        stored.reassemble(version=version)


def test_version_and_time_at_once_are_an_error(stored):
    with pytest.raises(ConfigError, match="Several of version, as_of were given"):
        stored.snapshot(version=1, as_of="2026-11-20")


def test_complete_dataset_is_read_without_a_warning(stored):
    assert stored.snapshot().gaps() == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert stored.reassemble(on_gap="refuse").height == 9


def test_failed_assembly_is_a_gap_with_its_reason(stored, run):
    failed = run("fail=[0.1]")
    gap = f"{failed.assembly_id}: left out, failed with 2 of 3 parts done: level=0.1: ValueError: level 0.1 is bad"
    assert [str(each) for each in stored.snapshot().gaps()] == [gap]
    with pytest.warns(IncompleteWarning, match=f"The dataset is incomplete: {gap}"):
        rows = stored.reassemble()
    assert rows.height == 9
    with pytest.raises(IncompleteError, match=gap):
        stored.reassemble(on_gap="refuse")


def test_included_failed_assembly_names_the_parts_it_lacks(stored, run):
    failed = run("fail=[0.1]")
    gaps = stored.snapshot().gaps(("completed", "failed"))
    assert [str(each) for each in gaps] == [f"{failed.assembly_id}: failed, no rows of part level=0.1"]
    rows = stored.reassemble(include=("completed", "failed"), on_gap="ignore", on_mix="ignore")
    assert rows.height == 15
    assert levels(rows.filter(assembly_id=failed.assembly_id)) == [0.0, 0.2]


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_missing_baseline_is_a_gap_of_a_completed_assembly(stored, run):
    without = run("levels=[0.1]")
    assert without.known_gaps == ("the baseline, level 0, is not among the levels",)
    with pytest.warns(IncompleteWarning, match=f"{without.assembly_id}: the baseline, level 0, is not among"):
        assert stored.reassemble().height == 12


def test_null_metric_is_not_a_gap_and_stays_null(lake, toy):
    """A part with a NULL counts as present, and known_gaps itself is never NULL."""
    lakebatch.run(lake, toy, jobs=1)
    assert lake[toy].log.events()["known_gaps"].null_count() == 0
    assert lake[toy].reassemble(on_gap="refuse")["pearson_r"].null_count() == 9


def test_discarded_assembly_is_left_out_without_a_gap_by_default(stored, run):
    failed = run("fail=[0.1]")
    stored.log.record(failed, "discarded")
    assert stored.snapshot().gaps() == []
    assert stored.reassemble(on_gap="refuse").height == 9
    assert len(stored.snapshot().gaps(("completed", "discarded"))) == 1


def test_completed_assembly_with_rows_missing_is_a_gap(stored, plan):
    """Three rows are recorded, the table has none."""
    started = stored.log.start(plan(), 0)
    stored.log.record(started, "completed", parts_done=2, rows=3, results_version=stored.results.version())
    assert [gap.what for gap in stored.snapshot().gaps()] == [
        "completed, no rows of part level=0",
        "completed, no rows of part level=0.1",
        "completed with 3 rows, the table has 0",
    ]


def test_many_gaps_are_counted():
    gaps = [Gap(str(number), "left out") for number in range(MAX_GAPS + 2)]
    with pytest.raises(IncompleteError, match="; and 2 more, see: lakebatch completeness"):
        report_gaps(gaps, "refuse")


def test_summary_counts_the_rows_of_the_table(stored, run):
    failed = run("fail=[0.1]")
    rows = stored.assemblies().select("status", "parts_done", "parts_planned", "rows", "error").rows()
    assert rows == [("completed", 3, 3, 9, None), ("failed", 2, 3, 6, failed.error)]
    times = stored.assemblies()
    assert (times["started_at"] < times["changed_at"]).all()


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_history_names_the_results_version_of_each_event(stored, run):
    run("levels=[0]")
    history = stored.history()
    assert history["status"].to_list() == ["started", "completed"] * 2
    assert history["version"].to_list() == [1, 5, 5, 6]
    assert history["at"].is_sorted()
    for version, status, rows in history.select("version", "status", "rows").iter_rows():
        if status == "completed":
            assert stored.reassemble(version=version, on_gap="ignore").height >= rows


def test_scan_reads_columns_and_rows_lazily(stored):
    lazy = stored.scan().filter(pl.col("level") == 0.1).select("level", "repeat")
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().sort("repeat").rows() == [(0.1, 0), (0.1, 1), (0.1, 2)]


def test_unknown_experiment_is_named_with_the_known_ones(stored, lake):
    with pytest.raises(UnknownNameError, match=r"There is nothing of 'tou' in .*/lake. There: toy."):
        lake["tou"]
    assert [each.name for each in lake] == ["toy"]
    assert lake["90_v1_toy"].folder == "90_v1_toy"


def test_past_state_does_not_judge_whether_a_started_run_was_alive(stored, run):
    run("levels=[0, 0.7]")
    started = stored.log.events().filter((pl.col("run_number") == 2) & (pl.col("event") == 0))["at"][0]
    (gap,) = stored.snapshot(as_of=started).gaps()
    assert "left out, started with 0 of 2 parts done" in str(gap)
    assert stored.assemblies(as_of=started)["status"].to_list() == ["completed", "started"]


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_every_version_of_hundreds_of_assemblies_stays_as_first_read(tmp_path):
    """Assemblies written by the functions of a run; each state is read at once and again at the end."""
    stored = StoredExperiment(lakebatch.open_lake(tmp_path / "lake").storage, "90_v1_toy")
    for name in ("results", "assemblies"):
        stored.table(name).ensure()
    read: dict[int, tuple[list[str], pl.DataFrame]] = {}
    for number in range(200):
        parts = ("level=0", "level=0.1")[: 2 if number % 3 == 0 else 1]
        plan = Plan({"n": number % 7}, parts, 42, None, (), "0.1.0", {})
        started = stored.log.start(plan, stored.results.version())
        writer = PartWriter(stored.results, started.assembly_id, {}, is_new=True)
        status, done = ("failed", 1) if number % 10 == 9 else ("completed", len(parts))
        for part in parts[:done]:
            writer.append(part, pl.DataFrame({"repeat": [0, 1], "mse": [float(number), 1.0]}), started.at)
        stored.log.record(
            started, status, parts_done=done, rows=2 * done, results_version=stored.results.version()
        )
        if number % 25 == 24:
            stored.discard(started.assembly_id, "for a test")
            stored.optimize()
        if number % 20 == 4:
            snapshot = stored.snapshot()
            read[snapshot.version] = (snapshot.ids(), snapshot.reassemble(on_gap="ignore"))
    stored.vacuum(keep_days=0, dry_run=False)
    assert len(read) == 10
    for version, (ids, rows) in read.items():
        past = stored.snapshot(version=version)
        assert past.ids() == ids
        assert past.reassemble(on_gap="ignore").equals(rows)
    assert rows.height > 300
