"""The page of an assembly: its content on a real lake, and the answers of a server."""

import re
import shlex
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import LakebatchError
from lakebatch.snapshot.moment import Moment
from lakebatch.ui import code, logs
from lakebatch.ui.links import Links
from lakebatch.ui.page_state import PageState, parse
from lakebatch.ui.site import Site

STUDY = "91_v1_study"
TESTS = Path(__file__).parents[1]


def page_of(lake, folder, assembly_id, state=None):
    return Site(lake).page(["assembly", folder, assembly_id], state or PageState())


def html_of(lake, steps, state=None, is_static=False):
    return Site(lake).html(steps, Links("/T/", state or PageState(), is_static))


def ids(lake, name="study"):
    return [each.assembly_id for each in lake[name].log.latest()]


def test_completed_assembly_has_facts_parts_config_and_steps(ui_lake):
    found = page_of(ui_lake, STUDY, ids(ui_lake)[0])
    content = found.content
    assert found.title == "first"
    facts = dict(content["facts"])
    assert (facts["Parts"], facts["Rows"], facts["Experiment"]) == ("3 of 3", "54", "study@v1")
    assert [each.part for each in content["parts"]] == ["level=0", "level=0.1", "level=0.3"]
    for each in content["parts"]:
        assert (each.state, each.rows) == ("completed", 18)
        assert 0 <= each.seconds < 60
        assert "process" in each.process
    assert [each.key for each in content["tree"]] == ["fail", "fault", "levels", "n_reps", "seed"]
    assert any(line.startswith("lakebatch verify study") for line, _ in content["steps"])
    assert content["code"]["files"] == ["study.py"]
    assert all(each.lines == [] for each in content["code"]["diffs"])


def test_differences_from_the_preset_are_marked_in_the_tree(ui_lake):
    content = page_of(ui_lake, STUDY, ids(ui_lake)[2]).content
    differing = [each.key for each in content["tree"] if each.differs]
    assert differing == ["levels", "n_reps"]
    assert [key for key, _, _ in content["config_rows"]] == ["levels", "n_reps"]
    assert "--set" in content["config"].command


def test_failed_assembly_shows_its_error_and_traceback(ui_lake):
    failed = ids(ui_lake)[3]
    content = page_of(ui_lake, STUDY, failed).content
    (failure,) = content["failures"]
    assert failure.part == "level=0.3"
    assert "onerror" in failure.error
    assert "Traceback (most recent call last)" in failure.traceback
    assert [each.state for each in content["parts"]] == ["completed", "completed", "failed"]
    assert f"lakebatch resume study {failed}" in [line for line, _ in content["steps"]]


def test_interrupted_and_discarded_assemblies_say_what_to_do(ui_lake):
    *_, discarded, interrupted = ids(ui_lake)
    steps = [line for line, _ in page_of(ui_lake, STUDY, interrupted).content["steps"]]
    assert f"lakebatch resume study {interrupted}" in steps
    content = page_of(ui_lake, STUDY, discarded).content
    assert content["status"] == "discarded"
    assert content["notes"][-1]["note"].startswith("<img")
    assert any(line.startswith("lakebatch restore study") for line, _ in content["steps"])


def test_hostile_texts_are_text(ui_lake):
    for assembly_id in ids(ui_lake):
        text = html_of(ui_lake, ["assembly", STUDY, assembly_id])
        assert "<img src=x" not in text
        assert "<script>alert" not in text
        assert "style=" not in text
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in text or "&lt;img src=x" in html_of(
        ui_lake, ["assembly", STUDY, ids(ui_lake)[2]]
    )


def test_past_state_knows_only_what_had_happened(ui_lake):
    first, second, *_ = ids(ui_lake)
    events = ui_lake["study"].history().filter(assembly_id=first)
    state = PageState().at(Moment(time=events["at"][0]))
    content = page_of(ui_lake, STUDY, first, state).content
    assert content["status"] == "started"
    assert dict(content["facts"])["Rows"] == "0"
    assert len(content["events"]) == 1
    assert content["others"] == []
    assert content["pictures"] == []
    assert content["log"].total < page_of(ui_lake, STUDY, first).content["log"].total
    assert not any("installed now" in each.title for each in content["code"]["diffs"])
    with pytest.raises(LakebatchError, match="There is no assembly"):
        page_of(ui_lake, STUDY, second, state)


def test_events_link_to_their_past_states(ui_lake, served):
    text = html_of(ui_lake, ["assembly", STUDY, ids(ui_lake)[4]])
    linked = re.findall(r'href="/T/(assembly/[^"]*as_of=[^"]*)"', text)
    assert len(linked) >= 3
    for path in linked:
        assert served.ask(path.replace("&amp;", "&"))[0].status == 200, path


def test_log_is_filtered_by_level_and_paged(ui_lake, monkeypatch):
    monkeypatch.setattr(logs, "PAGE", 2)
    failed = ids(ui_lake)[3]

    def shown(query=()):
        return page_of(ui_lake, STUDY, failed, parse(query)).content["log"]

    everything = shown()
    assert everything.number == everything.pages > 1
    assert len(shown([("page", "1")]).records) == 2
    assert {each["level"] for each in shown([("level", "error")]).records} == {"ERROR"}
    for query in ([("page", "99")], [("page", "x")], [("level", "LOUD")]):
        with pytest.raises(LakebatchError):
            shown(query)


def test_source_is_shown_with_the_assemblies_that_it_computed(ui_lake):
    source_hash = page_of(ui_lake, STUDY, ids(ui_lake)[0]).content["code"]["hash"]
    found = Site(ui_lake).page(["source", STUDY, source_hash], PageState())
    assert len(found.content["assemblies"]) == 6
    assert found.content["files"]["study.py"][0].startswith('"""A degradation study')
    with pytest.raises(LakebatchError, match="not recorded"):
        Site(ui_lake).page(["source", STUDY, "0" * 64], PageState())


def test_diff_marks_lines_and_is_bounded(monkeypatch):
    monkeypatch.setattr(code, "MAX_LINES", 4)
    found = code.diff("t", "--- a\n+++ a\n@@ -1,2 +1,2 @@\n same\n-old\n+new")
    assert [kind for kind, _ in found.lines] == ["file", "file", "place", "same"]
    assert found.left_out == 2


def test_command_and_python_give_the_same(ui_lake):
    for state in (PageState(), PageState().at(Moment(tag="paper-v1"))):
        found = page_of(ui_lake, STUDY, ids(ui_lake)[0], state)
        answer = CliRunner().invoke(main, shlex.split(found.command)[1:])
        assert answer.exit_code == 0, answer.output
        assert "completed" in answer.output
        assert found.command.endswith("--tag paper-v1") == state.selection.moment.is_past
        rows = eval(found.python, {"lakebatch": lakebatch})  # noqa: S307 - the line under test
        assert rows["assembly_id"].to_list() == [ids(ui_lake)[0]]


@pytest.fixture(scope="module")
def with_artifacts(tmp_path_factory):
    """Return a lake with an assembly that has artifacts of several types."""
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / "experiments").mkdir()
    shutil.copy(TESTS / "model_experiment.py", folder / "experiments" / "models.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lake = lakebatch.open_lake("lake")
        names = '["a.svg", "b.html", "c.png", "ä & b.txt"]'
        done = lakebatch.run(lake, "models", jobs=1, settings=[f"names={names}"])
        lakebatch.verify(lake, "models", done.assembly_id, jobs=1)
    return lake, folder


def test_artifacts_are_downloads_checked_against_their_hash(with_artifacts, serve, monkeypatch):
    lake, folder = with_artifacts
    monkeypatch.chdir(folder)
    (assembly_id,) = ids(lake, "models")
    stored = lake["models"].folder
    served = serve(lake)
    text = served.ask(f"assembly/{stored}/{assembly_id}")[1]
    assert "<img src=x>" not in text
    assert text.count('<img class="artifact"') == 2  # c.png of both parts; SVG and HTML are never shown
    for name in ("a.svg", "b.html", "model.json", "ä & b.txt"):
        query = f"?part={quote('level=0')}&name={quote(name)}"
        answer, _ = served.ask(f"artifact/{stored}/{assembly_id}{query}")
        assert answer.status == 200, name
        assert answer.getheader("Content-Type") == "application/octet-stream"
        assert answer.getheader("Content-Disposition").startswith("attachment; filename*=UTF-8''")
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert "sandbox" in answer.getheader("Content-Security-Policy")
    answer, _ = served.ask(f"image/{stored}/{assembly_id}?part=level%3D0&name=c.png")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "image/png")
    for path in ("image/{}/{}?part=level%3D0&name=a.svg", "artifact/{}/{}?name=absent", "artifact/{}/{}"):
        assert served.ask(path.format(stored, assembly_id))[0].status in (400, 404)


def test_verdict_of_verify_is_told_from_notes(with_artifacts, ui_lake):
    lake, _ = with_artifacts
    (verdict,) = page_of(lake, lake["models"].folder, ids(lake, "models")[0]).content["notes"]
    assert verdict["note"].startswith("verified: ")
    assert (verdict["is_verdict"], verdict["is_good"]) == (True, True)
    (note,) = page_of(ui_lake, STUDY, ids(ui_lake)[0]).content["notes"]
    assert (note["note"], note["is_verdict"]) == ("The first one.", False)
