"""The manual: its commands and scripts run, and its names, options and messages exist."""

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib import resources

import command_reference
import manual
import pytest
import test_imports

import lakebatch
from lakebatch import Lake, StoredExperiment, errors, experiment
from lakebatch.cli.main import main
from lakebatch.cli.pages import TOPICS, summary
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.snapshot.snapshot import Snapshot

SOURCES = sorted(
    file for folder in ("lakebatch", "experiments") for file in (manual.ROOT / folder).rglob("*.py")
)
RUN = {"console", "python", "sql", "toml"}
LANGUAGES = {*RUN, "sh", "text"}
NOT_RUN = {
    "README": 2,  # the setup commands, run by .ci/run
    "installing": 4,
    "past-states": 4,
    "configuring": 4,
    "lake": 3,
    "sbml": 3,
    "experiments": 2,
    "plots": 1,
    "ui": 2,
    "publication": 2,
    "replicates": 1,
    "clusters": 3,
    "scaling": 1,
    "legacy": 3,
}
"""Number of commands per page in blocks that cannot run here: without SLURM, with other ids, or too slow."""
MANY_RUNS = ("sweeps", "datasets")
"""Pages that come last, because exports, pictures and reports of all assemblies take longer after them."""
REFERENCE = re.compile(r"`+(lakebatch(?:\.\w+)+)`+")
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")
VARIABLE = re.compile(r"(?:LAKEBATCH|S3|AWS|NTFY|SAVE|SLURM|PBS|LSB)_[A-Z_]*[A-Z]")
OTHER_FOLDERS = {
    "docs",
    "templates",
    *(each.parent.name for each in (manual.ROOT / "experiments").glob("*/*")),
}
"""Folders that are no rooms: data of the package, and the folders of experiments/."""
OF_THE_ENGINE = {"AWS_ALLOW_HTTP"}
"""Names that look like variables but are settings of the table engine."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[manual.Workshop]:
    """Return the folder in which all pages run."""
    folder = tmp_path_factory.mktemp("manual")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield manual.Workshop(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # as outside of tests
@pytest.mark.parametrize("page", sorted(manual.PAGES, key=lambda page: page in MANY_RUNS))
def test_page_runs(workshop, page):
    workshop.run(page)


@pytest.mark.parametrize("page", manual.PAGES)
def test_blocks_that_cannot_run_are_marked_and_counted(page):
    left = 0
    for block in manual.blocks(page):
        assert block.language in LANGUAGES, block
        if block.language == "sh":
            assert page == manual.README or block.mark.startswith(manual.NOT_RUN), block
            left += 1
        elif block.language == "text":
            left += len(list(manual.commands(block.text)))
    assert left == NOT_RUN.get(page, 0)


@pytest.mark.parametrize("page", manual.PAGES)
def test_code_fits_a_terminal_of_80_columns(page):
    """A page is shown with a margin of one column."""
    for block in (each for each in manual.blocks(page) if each.language in RUN):
        is_typed = block.language == "console"
        text = "\n".join(f"$ {each}" for each in manual.commands(block.text)) if is_typed else block.text
        assert max(map(len, text.splitlines())) <= 78, text


def test_topics_equal_the_pages():
    folder = resources.files("lakebatch").joinpath("docs")
    assert {each.name for each in folder.iterdir() if each.name.endswith(".md")} == {
        f"{each}.md" for each in TOPICS
    }


@pytest.mark.parametrize("topic", TOPICS)
def test_page_begins_with_title_and_summary(topic):
    title, blank, line, after = manual.read(topic).split("\n")[:4]
    assert re.fullmatch("# [A-Z].*", title)
    assert blank == after == ""
    assert line == summary(topic)
    assert 10 < len(line) <= 60
    assert line.endswith(".")


@pytest.mark.parametrize("page", manual.PAGES)
def test_links_lead_to_files(page):
    folder = manual.ROOT if page == manual.README else manual.DOCS
    for target in LINK.findall(manual.read(page)):
        assert (folder / target).is_file(), target


def test_pictures_are_small():
    pictures = list(manual.DOCS.glob("*.png"))
    assert pictures
    assert max(each.stat().st_size for each in pictures) < 60_000


def test_reference_of_commands_equals_help():
    """If it fails, rewrite the page with: python tests/project/command_reference.py"""
    assert command_reference.page() == manual.read("commands")


# Names of the library


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module or an object in a module."""
    module, rest = dotted, []
    while module:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
            continue
        return all((found := getattr(found, name, None)) is not None for name in rest)
    return False


def docstrings(text: str) -> Iterator[str]:
    """Yield the docstrings of a module, including those of constants."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.value.value


def references(text: str) -> set[str]:
    return {each for each in REFERENCE.findall(text) if each != "lakebatch.toml"}


@pytest.mark.parametrize("page", manual.PAGES)
def test_references_of_the_page_resolve(page):
    assert not [each for each in references(manual.read(page)) if not resolves(each)]


def test_references_of_docstrings_resolve():
    found = {
        (file.relative_to(manual.ROOT).as_posix(), each)
        for file in SOURCES
        for text in docstrings(file.read_text(encoding="utf-8"))
        for each in references(text)
    }
    assert len(found) > 20
    assert not [each for each in sorted(found) if not resolves(each[1])]


def named_in(page: str) -> set[str]:
    """Return the first word of every text in backticks outside of blocks."""
    prose = manual.FENCE.sub("", manual.read(page))
    return {match[1] for match in re.finditer(r"`([A-Za-z_][\w-]*)[^`\n]*`", prose)}


@pytest.mark.parametrize("kind", [Lake, LakeSnapshot, Snapshot, StoredExperiment])
def test_every_public_method_is_explained(kind):
    public = {name for name in dir(kind) if not name.startswith("_")}
    assert public - named_in("python") == set()


def defined_in(module) -> set[str]:
    """Return the public names that a module defines, without variables of types."""
    tree = ast.parse(inspect.getsource(module))
    kinds = (ast.ClassDef, ast.FunctionDef)
    aliases = (
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    )
    return {*(node.name for node in tree.body if isinstance(node, kinds)), *aliases}


@pytest.mark.parametrize(
    "names",
    [set(lakebatch.__all__), defined_in(errors), set(experiment.__all__)],
    ids=["lakebatch", "errors", "experiment"],
)
def test_every_public_name_is_explained(names):
    assert len(names) > 5
    assert names - named_in("python") == set()


def test_architecture_has_every_room():
    """The same rooms as in the test of imports, in the same order."""
    drawn = manual.blocks("architecture")
    packages = {file.parent.name for file in (manual.ROOT / "lakebatch").glob("*/__init__.py")}
    folders = set(re.findall(r"^  (\w+)/ ", drawn[0].text, re.MULTILINE))
    assert folders - OTHER_FOLDERS == packages
    rows = [set(line.split(", ")) for line in drawn[1].text.splitlines()]
    assert rows == [set(row) for row in test_imports.ROOMS]


# Data: columns, queries, presets, variables


def test_every_column_is_explained():
    for file in (manual.ROOT / "schemas").glob("*.toml"):
        columns = {each["name"] for each in tomllib.loads(file.read_text())["columns"]}
        if file.stem == "tags":
            columns -= {each for each in columns if each.endswith("_version")}
        assert columns - named_in("sql") == set(), file


def test_every_extra_is_explained():
    project = tomllib.loads((manual.ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) - named_in("installing") == set()


def test_every_named_query_preset_and_picture_is_explained():
    queries = {file.stem.replace("_", "-") for file in (manual.ROOT / "queries").glob("*.sql")}
    assert queries - named_in("sql") == set()
    presets = {file.stem for file in (manual.ROOT / "experiments" / "presets").glob("*.toml")}
    assert presets - named_in("configuring") == set()
    kinds = next(each.type.choices for each in main.commands["plot"].params if each.name == "kind")
    assert set(kinds) - named_in("plots") == set()


def test_every_environment_variable_is_explained():
    found = {
        node.value
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value)
    }
    assert {"LAKEBATCH_LAKE", "S3_BUCKET_NAME"} <= found
    assert not [each for each in sorted(found - OF_THE_ENGINE) if f"`{each}`" not in manual.read("lake")]


# Messages


def templates(text: str) -> Iterator[str]:
    """Yield the strings of a module except docstrings; placeholders become NUL."""
    tree = ast.parse(text)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "\0" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def matches(quoted: str, template: str) -> bool:
    """Whether the words between dots of a quoted message occur in a template, in order."""
    place = 0
    for piece in filter(None, map(str.strip, quoted.split("..."))):
        place = template.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return True


@pytest.mark.parametrize(("page", "least"), [("troubleshooting", 30), ("sbml", 20)])
def test_every_quoted_message_exists(page, least):
    known = {each for file in SOURCES for each in templates(file.read_text(encoding="utf-8"))}
    tables = re.findall(r"^\| message .*?\n\n", manual.read(page), re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?`) \| [^|]+ \|$", "".join(tables), re.MULTILINE)
    quoted = [each for row in rows for each in re.findall(r"`([^`]+)`", row)]
    assert len(quoted) > least
    assert not [each for each in quoted if not any(matches(each, template) for template in known)]
