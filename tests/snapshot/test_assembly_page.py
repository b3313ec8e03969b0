"""Everything about one assembly: parts, durations, config beside its preset, failures, next commands."""

import pytest

import lakebatch
from lakebatch.errors import UnknownNameError
from lakebatch.snapshot.assembly_page import assembly_page
from lakebatch.snapshot.config_origin import ConfigRow
from lakebatch.snapshot.moment import Moment


def page_of(stored, number):
    """Return the page of the assembly with a run number."""
    (assembly_id,) = stored.assemblies().filter(assembly_id=stored.log.latest()[number - 1].assembly_id)[
        "assembly_id"
    ]
    return assembly_page(stored, assembly_id)


def test_page_of_a_whole_run_has_its_parts_and_durations(study):
    page = page_of(study["study"], 1)
    known = page.assembly
    assert (page.state, page.experiment, page.reference) == ("completed", "study@v1", "study")
    assert (page.rows, page.counts) == (known.rows, {"completed": 3})
    assert [each.part for each in page.parts] == list(known.parts)
    assert all(page.started_at < each.committed_at <= page.ended_at for each in page.parts)
    assert 0 < page.computing_seconds <= page.seconds == (page.ended_at - page.started_at).total_seconds()
    assert page.eta_seconds is None
    assert page.attempts == 1
    assert page.software.startswith(f"lakebatch {lakebatch.__version__}, Python 3.")
    assert "polars" in page.packages
    assert [command.split()[0] for command, _ in page.next_steps] == ["reassemble", "plot", "verify"]


def test_page_of_a_failed_run_has_its_error_and_traceback(study):
    page = page_of(study["study"], 4)
    assert (page.state, page.counts) == ("failed", {"completed": 2, "failed": 1})
    (failure,) = page.failures
    assert failure.error == page.parts[2].error == "ValueError: no | convergence"
    assert failure.traceback.endswith("ValueError: no | convergence")
    assert page.next_steps[0] == (f"resume study {page.assembly.assembly_id}", "compute the missing parts")


def test_config_is_beside_the_values_of_its_preset(study):
    page = page_of(study["study"], 4)
    assert page.config.preset == "guide"
    changed = {each.key: each.preset_value for each in page.config.rows if each.is_changed}
    assert set(changed) == {"fail", "fault"}
    assert changed["fail"] == []


def test_config_without_the_code_has_no_preset(study, monkeypatch, tmp_path):
    stored = study["study"]
    monkeypatch.chdir(tmp_path)
    page = page_of(stored, 1)
    assert page.config.preset is None
    assert ConfigRow("levels", page.assembly.settings["levels"]) in page.config.rows


def test_decisions_change_the_state_and_not_the_duration(lake, toy, run):
    ended = run("fail=[0.1]")
    stored = lake[toy]
    stored.note(ended.assembly_id, "the pump was off")
    before = assembly_page(stored, ended.assembly_id)
    stored.discard(ended.assembly_id, "wrong dose")
    page = assembly_page(stored, ended.assembly_id)
    assert (before.state, page.state) == ("failed", "discarded")
    assert before.ended_at == page.ended_at == ended.at
    assert [each.text for each in page.notes] == ["the pump was off", "wrong dose"]
    assert page.next_steps[0][0] == f"restore toy {ended.assembly_id} --reason TEXT"
    stored.restore(ended.assembly_id, "right after all")
    assert assembly_page(stored, ended.assembly_id).ended_at == ended.at


def test_page_of_an_interrupted_run_names_what_is_missing(stored, plan):
    begun = stored.log.start(plan(config={"levels": [0.0]}, parts=("level=0",)), 0)
    stored.log.record(begun, "started")  # no process works on it
    page = assembly_page(stored, begun.assembly_id)
    assert (page.state, page.counts, page.computing_seconds) == ("interrupted", {"missing": 1}, None)
    assert page.next_steps[0][0].startswith("resume toy")


def test_page_of_a_past_moment_knows_what_was_known_then(study):
    stored = study["study"]
    begun = stored.history().filter(status="started")["at"][0]
    page = assembly_page(stored, stored.log.latest()[0].assembly_id, Moment(time=begun))
    assert (page.state, page.counts, page.rows, page.seconds) == ("started", {"pending": 3}, 0, 0)
    assert page.log.filter(page.log["at"] > begun).is_empty()
    assert page.next_steps[0] == ("watch study", "watch its progress")


def test_unknown_assembly_is_refused(stored):
    with pytest.raises(UnknownNameError):
        assembly_page(stored, "20201128_040718_run001")
