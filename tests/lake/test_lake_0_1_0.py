"""A lake written by lakebatch 0.1.0, see ``tests/fixtures/lake_0_1_0/make.py``, is read, extended and maintained."""

import json
import re
import shutil
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli import main
from lakebatch.storage.delta import bundles

FIXTURE = Path(__file__).parents[1] / "fixtures" / "lake_0_1_0"
READ = json.loads((FIXTURE / "read_by_0_1_0.json").read_text())
STATUSES = ("started", "completed", "failed", "discarded")
STATES = (*STATUSES, "interrupted")
COLUMNS = ["assembly_id", "part", "level", "repeat", "seed", "mse", "r2"]
DATA = COLUMNS[1:]
"""Columns with equal values in two assemblies of one config and seed."""


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Return a copy of the lake, with its experiments in the working directory."""
    for name in ("lake", "experiments"):
        shutil.copytree(FIXTURE / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return lakebatch.open_lake("lake")


def rows(frame, columns=COLUMNS):
    return [list(row) for row in frame.select(columns).rows()]


def read(stored, **given):
    return rows(stored.reassemble(on_gap="ignore", on_mix="ignore", **given))


def run_of(old, status):
    (found,) = old["toy"].assemblies().filter(status=status)["assembly_id"]
    return found


def check_what_0_1_0_read(old):
    toy = old["toy"]
    assert read(toy, tag="first") == READ["tagged"]
    assert [len(read(toy, version=each)) for each in range(len(READ["counts"]))] == READ["counts"]
    assert read(old["other-toy"]) == READ["other"]
    assert read(toy, include=STATUSES)[: len(READ["all"])] == READ["all"]


def test_every_row_is_read_as_by_0_1_0(old):
    check_what_0_1_0_read(old)
    assert read(old["toy"]) == READ["completed"]


def test_bundle_of_0_1_0_replaces_its_files_and_is_optional(old, monkeypatch):
    settled = [assembly[0] for assembly in READ["assemblies"] if assembly[1] in ("completed", "discarded")]
    expected = [row for row in READ["all"] if row[0] in settled]
    monkeypatch.setattr(bundles, "MIN_FILES", 2)  # as when it was made
    (bundle,) = Path("lake/90_v1_toy/bundles/results").iterdir()
    for names in ([bundle.name], []):
        toy = lakebatch.open_lake("lake")["toy"]
        assert [Path(each).name for each in toy.results.newest().sources(settled).bundles] == names
        assert read(toy, include=("completed", "discarded")) == expected
        bundle.unlink(missing_ok=True)


def test_statuses_history_and_tags_equal_those_of_0_1_0(old):
    toy = old["toy"]
    shown = toy.assemblies().select("assembly_id", "status", "parts_done", "rows", "seed").rows()
    assert list(map(list, shown)) == READ["assemblies"]
    history = toy.history().select("version", "assembly_id", "status", "rows").rows()
    assert list(map(list, history)) == READ["history"]
    assert list(map(list, toy.tags().select("tag", "note").rows())) == READ["tags"]
    discarded = toy.log.get(run_of(old, "discarded"))
    assert "wrong dose" in str(discarded)


def test_rows_without_a_metric_are_counted_by_reading(old):
    assert old["toy"].assemblies()["without_metric"].is_null().all()
    ended = lakebatch.resume(old, "toy", run_of(old, "completed"))
    assert ended.missing_metrics is None
    counted = old["toy"].missing_metrics()
    assert counted.filter(assembly_id=ended.assembly_id).row(0) == (ended.assembly_id, 6, 0, None)


def test_sql_answers_over_both_experiments(old):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = old.sql(
            "SELECT experiment, count(*), count(DISTINCT part) FROM lake.results GROUP BY 1 ORDER BY 1"
        )
        events = old.sql("SELECT count(DISTINCT assembly_id) FROM toy.events").item()
    assert answer.rows() == [("other-toy", 3, 1), ("toy", 6, 2)]
    assert events == len(READ["assemblies"])


def test_state_of_a_run_has_the_same_word_everywhere(old):
    words = old["toy"].assemblies()["status"].to_list()
    assert "interrupted" in words
    views = [old["toy"]._repr_html_(), old["toy"].snapshot()._repr_html_()]
    views += [
        CliRunner().invoke(main, ["--lake", "lake", *command]).stdout for command in ((), ("status", "toy"))
    ]
    for shown in views:
        assert {each for each in STATES if re.search(rf"\b{each}\b", shown.partition("next")[0])} >= set(
            words
        ), shown
        assert "running" not in shown
    asked = old.sql("SELECT status FROM toy.assemblies", on_gap="ignore")["status"].to_list()
    assert sorted(asked) == sorted(words)


def test_interrupted_run_is_finished_with_the_rows_of_an_uninterrupted_one(old):
    toy = old["toy"]
    whole, interrupted = run_of(old, "completed"), run_of(old, "interrupted")
    resumed = lakebatch.resume(old, "toy", interrupted, jobs=1)
    assert (resumed.assembly_id, resumed.status, resumed.parts_done) == (interrupted, "completed", 2)
    frame = toy.reassemble(on_gap="ignore", on_mix="ignore")
    assert rows(frame.filter(assembly_id=interrupted), DATA) == rows(frame.filter(assembly_id=whole), DATA)
    check_what_0_1_0_read(old)


def test_new_run_appends_the_rows_that_0_1_0_computed(old):
    whole = run_of(old, "completed")
    new = lakebatch.run(old, "toy", seed=7, jobs=1)
    assert new.assembly_id > whole
    frame = old["toy"].reassemble(on_gap="ignore", on_mix="ignore")
    assert frame.height == len(READ["completed"]) + 6
    assert rows(frame.filter(assembly_id=new.assembly_id), DATA) == rows(
        frame.filter(assembly_id=whole), DATA
    )
    check_what_0_1_0_read(old)


def test_optimize_vacuum_and_discard_keep_every_row_and_state(old):
    toy = old["toy"]
    lakebatch.resume(old, "toy", run_of(old, "interrupted"), jobs=1)
    kept = read(toy)
    old.optimize()
    old.vacuum(keep_days=0, dry_run=False)
    assert read(toy) == kept
    check_what_0_1_0_read(old)
    toy.restore(run_of(old, "discarded"), "it was right after all")
    assert len(read(toy)) == len(kept) + 3


def test_doctor_finds_nothing_wrong(old):
    found = old.doctor(deep=True)
    assert set(found["severity"]) == {"ok", "note"}, found.rows()
    assert set(found.filter(severity="note")["check"]) == {"published", "unfinished"}, found.rows()
