"""Reports: their content, and that strings from the lake never become markup."""

import base64
import contextlib
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import urllib.parse
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.resources import files

import markdown_it
import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

import lakebatch
from lakebatch._text import one_line
from lakebatch.analysis import statistics
from lakebatch.analysis.report.content import Code, Figure, Points
from lakebatch.analysis.report.tables import Table
from lakebatch.cli.main import main
from lakebatch.errors import ConfigError

pytestmark = [
    pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning"),
    pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning"),
]
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """The elements of a page, each with its attributes, and the text of each kind of element."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], {}, []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(saved):
    return Page(saved.read_text())


@pytest.fixture(scope="module")
def text(saved):
    return saved.with_suffix(".md").read_text()


@pytest.fixture
def stored(nasty_folder, monkeypatch):
    monkeypatch.chdir(nasty_folder)
    return lakebatch.open_lake("lake")["study"]


def parts(report, kind, key=None):
    return [
        part
        for section in report.content.sections
        if key in (None, section.key)
        for part in section.parts
        if isinstance(part, kind)
    ]


def test_page_stands_alone(page):
    (script,) = page.texts["script"]
    assert script == (files("lakebatch.analysis.report") / "templates" / "report.js").read_text()
    assert [each["href"] for each in page.all("link")] == ["data:,"]
    assert all(each["src"].startswith("data:image/svg+xml;base64,") for each in page.all("img"))
    assert all(each["href"].startswith("#") for each in page.all("a"))
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    policy = next(each for each in page.all("meta") if each.get("http-equiv"))
    found = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["content"] == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{found}'"
    )


def test_page_works_with_screen_reader_and_keyboard(page):
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}
    assert all(len(each["alt"]) > 40 for each in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table")) > 8
    assert all(each["scope"] in ("row", "col") for each in page.all("th"))
    regions = [each for each in page.all("div") if each.get("role") == "region"]
    assert all(
        each["tabindex"] == "0" and ("aria-label" in each or "aria-labelledby" in each) for each in regions
    )
    assert len(page.all("h1")) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labels = [
        attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes
    ]
    targets = [each["href"].removeprefix("#") for each in page.all("a")]
    assert set(labels) | set(targets) <= set(ids)
    assert any(each.get("name") == "viewport" for each in page.all("meta"))


def test_configs_and_errors_are_escaped_in_the_page(saved, page, nasty_text):
    source = saved.read_text()
    assert source.count("<script") == 1  # its own, which sorts
    assert "<b>" not in source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert any(nasty_text in each for each in page.texts["td"])


def test_configs_and_errors_are_escaped_in_markdown(text, nasty_text):
    html = markdown_it.MarkdownIt("commonmark").enable("table").render(text)
    rendered = Page(html)
    assert not rendered.all("script")
    assert not rendered.all("a")
    assert "bold" not in rendered.texts.get("strong", [])
    cells = "".join(rendered.texts["td"])
    assert nasty_text in cells
    assert len(rendered.all("table")) > 8
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1


def test_markdown_finds_its_pictures(saved, text, nasty_report):
    names = re.findall(r"\]\(([^)]+\.svg)\)", text)
    assert len(names) == len(parts(nasty_report, Figure)) == 10
    assert all((saved.parent / urllib.parse.unquote(name)).is_file() for name in names)


def test_plots_that_cannot_be_drawn_are_named(nasty_report):
    texts = parts(nasty_report, str, "pictures")
    assert [text.split(":")[0] for text in texts] == ["No picture of trajectories", "No picture of network"]


def test_tables_hold_the_numbers_of_the_rows(nasty_report, stored):
    rows = stored.reassemble()
    tables = {table.caption: table for table in parts(nasty_report, Table)}
    compared = statistics.comparisons(rows, "pearson_r")
    shown = tables["Feature sets compared by Pearson r: paired t test"]
    for row, expected in zip(shown.rows, compared.iter_rows(named=True), strict=True):
        cells = dict(zip(shown.columns, row, strict=True))
        assert float(cells["mean difference"]) == pytest.approx(expected["mean"], abs=6e-4)
        p_holm = "< 0.001" if expected["p_holm"] < 0.001 else f"{expected['p_holm']:.3f}"
        assert cells["p (Holm)"] == p_holm
    overall = tables["Pearson r by level, over all feature sets and models"]
    means = rows.group_by("level").agg(pl.col("pearson_r").mean()).sort("level")["pearson_r"]
    assert [row[3] for row in overall.rows] == [f"{mean:.3f}" for mean in means]
    assert [row[2] for row in overall.rows] == ["0", "0", "2"]


def test_gaps_and_failures_stand_at_the_top_and_in_their_section(nasty_report, nasty_text):
    content = nasty_report.content
    assert "left out, failed with 2 of 3 parts done" in content.warnings[0]
    assert content.warnings[-1] == f"2 of 108 rows have no metric (forest: {one_line(nasty_text)})."
    assert ("completed assemblies", "2 of 3") in content.facts
    lacking, failed, faults = parts(nasty_report, Table, "faults")
    assert len(lacking.rows) == len(failed.rows) == 1
    assert nasty_text in failed.rows[0][-1]
    assert {row[-1] for row in faults.rows} == {"constant prediction", nasty_text}


def test_configs_are_described_by_their_differences_from_a_preset(nasty_report):
    texts = parts(nasty_report, str, "configs")
    assert texts[0] == "Config 1, run by 1 assembly: exactly the preset guide."
    assert texts[2].endswith("nearest to the preset guide, from which it differs in 2 keys.")
    assert [row[:2] for row in parts(nasty_report, Table, "configs")[1].rows] == [
        ("fail", "[]"),
        ("fault", '"constant prediction"'),
    ]


def test_commands_of_the_report_reproduce_its_rows(nasty_report, stored, tmp_path):
    commands, *_ = parts(nasty_report, Code, "provenance")
    lines = commands.text.splitlines()
    assert len(lines) == 3
    again = lakebatch.open_lake(tmp_path / "again")
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "lakebatch"
        CliRunner().invoke(main, ["--lake", str(tmp_path / "again"), *words[1:], "--jobs", "1"])
    volatile = ["assembly_id", "recorded_at"]
    everything = ("completed", "failed")
    first, second = (each.reassemble(include=everything).drop(volatile) for each in (stored, again["study"]))
    assert_frame_equal(first, second, check_exact=True)


def test_config_that_settings_cannot_express_is_to_be_saved(nasty_folder):
    from lakebatch.analysis.report.configs import _command

    with contextlib.chdir(nasty_folder):
        assert _command("study", "guide", (), {"levels": [0.0]}) == "lakebatch run study --config config.json"


def test_report_begins_with_the_experiment_and_its_findings(nasty_report, text):
    assert nasty_report.content.lead.startswith("A degradation study of drawn numbers")
    (about,) = parts(nasty_report, Points, "experiment")
    assert about.sentences == (
        "Pearson r that falls with the level, from a value that differs between assemblies.",
        "Level: Levels. Here 0, 0.1, 0.3.",
        "Feature sets: dynamic (features over time), initial, initial+dynamic.",
        "Models: forest, linear.",
    )
    assert parts(nasty_report, Points, "findings") == [Points(tuple(nasty_report.findings))]
    keys = [section.key for section in nasty_report.content.sections]
    assert keys[:3] == ["experiment", "findings", "results"]
    assert keys[-1] == "configs"
    assert text.index("## Findings") < text.index("## Results") < text.index("```json")


def test_every_column_has_a_meaning_in_a_tooltip_and_in_the_glossary(nasty_report, page):
    headings = {each for table in parts(nasty_report, Table) for each in table.columns}
    *_, glossary = parts(nasty_report, Table, "glossary")
    assert headings - nasty_report.content.meanings.keys() == {glossary.columns[0]}
    listed = dict(glossary.rows)
    assert listed["seed"].startswith("The assembly's seed, from which every random number derives")
    assert {each for each in headings if each not in listed} == {
        glossary.columns[0], "level 0", "level 0.1", "level 0.3",
    }  # fmt: skip
    heads = [each for each in page.all("th") if each["scope"] == "col"]
    assert sum("title" in each for each in heads) == len(heads) - 1


def test_report_says_what_it_was_made_from_and_how_to_repeat_it(nasty_report, stored):
    made_from = dict(parts(nasty_report, Table, "provenance")[0].rows)
    names = stored.assemblies()["assembly_id"].to_list()
    assert made_from["lake"] == stored.storage.uri
    assert made_from["assemblies"] == ", ".join(names[:2])
    assert made_from["state"] == f"version {stored.snapshot().version}"
    *_, reading, python = parts(nasty_report, Code, "provenance")
    assert f"--lake {stored.storage.uri} report study@v1 --version" in reading.text
    scope = {}
    exec(
        python.text.replace(".save('study-report.html')", "").replace(
            "stored.report", "again = stored.report"
        ),
        scope,
    )
    assert scope["again"].findings == nasty_report.findings


def test_report_names_the_options_and_the_time_that_it_was_given(stored):
    selected = stored.report(
        where="n_reps=3", metric="r2", unit="assembly", written_at=datetime(2026, 1, 2, tzinfo=UTC)
    )
    *_, reading, python = parts(selected, Code, "provenance")
    assert "--where n_reps=3" in reading.text
    assert reading.text.endswith("--metric r2 --unit assembly")
    assert "where=['n_reps=3'], metric='r2', unit='assembly'" in python.text
    assert "Written: 2026-01-02 00:00:00Z." in selected.content.state


def test_report_reads_the_recorded_source_where_the_code_is_missing(
    stored, nasty_report, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    report = stored.report(on_mix="ignore")
    assert report.content.lead == nasty_report.content.lead
    assert parts(report, Points, "experiment")[0].sentences[1] == (
        "Level: Level of the perturbation; 0 is the baseline. Here 0, 0.1, 0.3."
    )


def test_report_of_a_past_state_names_it_and_holds_nothing_later(stored):
    version = int(stored.history().filter(status="completed")["version"][0])
    report = stored.report(version=version, metric="r2")
    assert report.content.state.startswith(
        f"Dataset: study@v1, version {version}: 1 completed assembly. Last change"
    )
    assert dict(report.content.facts)["fits"] == "54"
    assert "run002" not in str(report.content)
    assert "R² by level" in str([table.caption for table in parts(report, Table)])


def test_report_of_a_tag_names_it(stored, tmp_path):
    copy = lakebatch.open_lake(shutil.copytree(stored.storage.uri, tmp_path / "copy"))["study"]
    copy.tag("paper", version=int(stored.history().filter(status="completed")["version"][0]))
    report = copy.report(tag="paper")
    assert report.content.state.startswith("Dataset: study@v1, tag paper, version ")
    assert dict(report.content.facts)["fits"] == "54"
    assert any(mark.ghost for mark in copy.plot("levels", against="paper").chart.panels[0].series)


def test_report_is_the_same_each_time(stored, saved, nasty_report):
    assert stored.report().markdown("study report") == saved.with_suffix(".md").read_text()
    levels = parts(nasty_report, Figure)[0]
    assert levels.picture.to_bytes(".svg") == (saved.with_suffix("") / "levels.svg").read_bytes()


def test_report_without_a_baseline_says_so(study_folder, monkeypatch, lake):
    monkeypatch.chdir(study_folder)
    lakebatch.run(lake, "study", jobs=1, settings=["levels=[0.1]"])
    report = lake["study"].report()
    assert "There is no baseline (level 0) to compare with" in parts(report, str, "statistics")[-1]
    assert "the baseline, level 0, is not among the levels" in report.content.warnings[0]


def test_report_without_a_completed_assembly_says_so(study_folder, monkeypatch, lake):
    monkeypatch.chdir(study_folder)
    lakebatch.run(lake, "study", jobs=1, settings=["fail=[0.1]"])
    report = lake["study"].report()
    assert parts(report, str, "results") == ["There is no fit with Pearson r."]
    assert "left out, failed with 2 of 3 parts done" in report.html()


def test_report_is_written_to_html_or_markdown_only(stored, tmp_path):
    with pytest.raises(ConfigError, match=r"Expected a name that ends in \.html"):
        stored.report().save(tmp_path / "r.pdf")
    done = CliRunner().invoke(main, ["--lake", "lake", "report", "study", "-o", "r.pdf"])
    assert done.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_missing_library_is_named_with_what_to_install(stored, tmp_path):
    script = (
        "import sys; sys.modules['jinja2'] = None\n"
        f"import lakebatch; stored = lakebatch.open_lake({str(stored.storage.uri)!r})['study']\n"
        f"stored.report(on_gap='ignore').save({str(tmp_path / 'r.html')!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("lakebatch.errors.MissingDependencyError")
    assert "pip install 'lakebatch[plots]'" in last
    assert not (tmp_path / "r.html").exists()


def test_data_dictionary_has_every_column_own_ones_first(nasty_report, stored, page, text):
    (found,) = parts(nasty_report, Table, "dictionary")
    entry = stored.schema("results")["results"]
    names = [row[0] for row in found.rows]
    assert sorted(names) == sorted(each.name for each in entry.columns if each.in_datasets)
    is_own = [entry[each].own for each in names]
    assert is_own == sorted(is_own, reverse=True)
    rows = {row[0]: row[1:] for row in found.rows}
    assert rows["fit_seconds"][:2] == ("number", "s")
    assert "Wall time of the fit." in rows["fit_seconds"][2]
    html = nasty_report.html()
    folded = html[html.index('<section id="dictionary"') :].partition("</section>")[0]
    assert folded.count("<details>") == folded.count("</details>") == 1
    assert folded.index("<details>") < folded.index("<table") < folded.index("</details>")
    assert "## Data dictionary" in text
    assert "| fit\\_seconds | number | s |" in text
