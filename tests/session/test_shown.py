"""What a notebook shows of each object that can be the last line of a cell: a few kB, escaped, in any theme."""

import contextlib
import pickle
import re
import shutil
import warnings

import pytest
from IPython.core.formatters import DisplayFormatter

import lakebatch
from lakebatch._html import MAX_REPR, MAX_ROWS, Records
from lakebatch.artifacts import Content
from lakebatch.assembly.record import Assembly
from lakebatch.session.result import CheckResult, RunResult
from lakebatch.snapshot.gaps import Gap, Gaps

HOSTILE = "<script>alert(1)</script> & more " * 30
FEW_KB = 8_000
COLOUR = re.compile(r"color\s*[:=]|background|#[0-9a-f]{3,6}\b")


@pytest.fixture(scope="module")
def shown(study_folder, tmp_path_factory):
    """Return an object of each kind, by name, of a lake with hostile notes."""
    folder = tmp_path_factory.mktemp("shown")
    shutil.copytree(study_folder, folder, dirs_exist_ok=True)
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of gaps and mixtures
        lake = lakebatch.open_lake("lake")
        study = lake["study"]
        first, *_, failed = study.snapshot().assemblies
        study.note(first.assembly_id, HOSTILE)
        tag = study.tag("paper", note=HOSTILE)
        sweep = lakebatch.run(lake, "study", sweep={"levels": [[0.0]]}, sweep_name="two", jobs=1)
        planned = lakebatch.run(lake, "study", sweep={"levels": [[0.2], [0.3]]}, dry_run=True)
        snapshot = study.snapshot()
        yield {
            "lake": lake,
            "experiment": study,
            "snapshot": snapshot,
            "lake snapshot": lake.snapshot(),
            "assembly": snapshot.assembly(first.assembly_id),
            "failed": RunResult.of(study, failed),
            "result": RunResult.of(study, snapshot.assembly(first.assembly_id)),
            "assemblies": snapshot.assemblies,
            "sweeps": snapshot.sweeps,
            "sweep": snapshot.sweeps[0],
            "sweep run": sweep,
            "planned": planned,
            "gap": Gap("", HOSTILE),
            "gaps": snapshot.gaps(),
            "gaps of lake": lake.snapshot().gaps(),
            "verdict": lakebatch.verify(lake, "study", first.assembly_id, jobs=1),
            "check": CheckResult({"promise": [HOSTILE], "fault": [HOSTILE]}),
            "difference": study.diff(first.assembly_id, failed.assembly_id),
            "report": study.report(),
            "picture": study.plot(),
            "tag": tag,
            "roles": snapshot.roles,
            "artifact": Content(b"\0" * 10**6, "weights", "application/octet-stream"),
        }


@pytest.fixture(scope="module")
def displayed(shown):
    """Return what IPython makes of each object, by MIME type."""
    show = DisplayFormatter().format
    return {name: show(each)[0] for name, each in shown.items()}


def test_last_line_of_a_cell_is_a_few_kilobytes(displayed):
    sizes = {name: len(data.get("text/html", "")) for name, data in displayed.items() if name != "picture"}
    assert {name: size for name, size in sizes.items() if size > FEW_KB} == {}
    tables = {"gap", "sweep", "tag", "roles", "artifact"}  # the others are tables
    assert {name for name, size in sizes.items() if not size} == tables


def test_strings_are_escaped_and_colours_left_to_the_notebook(displayed):
    pages = {name: data.get("text/html", "") for name, data in displayed.items()}
    assert [name for name, page in pages.items() if "<script" in page] == []
    assert [name for name, page in pages.items() if "&lt;script" in page] != []
    assert [name for name, page in pages.items() if COLOUR.search(re.sub('src="[^"]*"', "", page))] == []


def test_repr_is_one_short_line(shown):
    long = {name: repr(each) for name, each in shown.items() if name != "check"}  # a frame
    assert {name: text for name, text in long.items() if len(text) > MAX_REPR or "\n" in text} == {}


def test_picture_is_an_image_with_its_caption(displayed, shown):
    picture = displayed["picture"]
    assert picture["text/html"].startswith('<figure><img src="data:image/png;base64,')
    caption = re.search("<figcaption>(.*)</figcaption>", picture["text/html"])[1]
    assert "Mean with 95 % t interval" in caption
    assert "Dataset: study@v1" in caption
    assert len(picture["text/html"]) < 100_000
    assert len(picture["image/png"]) < 100_000


def test_report_shows_its_first_finding_and_how_to_save_it(displayed):
    page = displayed["report"]["text/html"]
    assert "Pearson r by level" in page
    assert ".save(&quot;report.html&quot;)" in page
    assert "The dataset is incomplete" in page


def test_long_list_shows_its_newest_rows(shown):
    first = shown["assemblies"][0]
    many = Records([first] * 500, "assemblies", Assembly.row)
    assert repr(many).startswith("<500 assemblies, last <Assembly 20")
    assert many._repr_html_().count("<tr>") == MAX_ROWS + 1
    assert "500 assemblies, the last 20" in many._repr_html_()
    assert pickle.loads(pickle.dumps(many)) == many  # noqa: S301
    assert Gaps([])._repr_html_() == "<p>No gaps.</p>"


def test_artifact_that_is_a_picture_shows_itself(displayed):
    assert displayed["artifact"]["text/plain"] == repr(
        Content(bytes(10**6), "weights", "application/octet-stream")
    )
    bundle = Content(b"\x89PNG", "fit.png", "image/png")._repr_mimebundle_()
    assert bundle == {"text/plain": "<Content of fit.png: image/png, 4 bytes>", "image/png": b"\x89PNG"}
    assert pickle.loads(pickle.dumps(Content(b"x", "a", "b"))).name == "a"  # noqa: S301
