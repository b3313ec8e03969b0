"""The libraries of the formats read a publication: every table, and no fault."""

import json
import subprocess
from pathlib import Path

import pytest
from environments import NotToBeHadError, python

HERE = Path(__file__).parent
ROWS = {"results": 8, "peaks": 4, "samples": 12, "trajectories": 12, "artifacts": 4, "assemblies": 2}


@pytest.fixture(scope="module")
def validated(wide_publication):
    """Return a function that gives what the library of a format says."""

    def ask(name, folder=wide_publication):
        try:
            interpreter = python(str(HERE / "requirements-formats.txt"))
        except NotToBeHadError as error:
            pytest.skip(f"engine not tried: {name}, {error}")
        command = [interpreter, str(HERE / "validators.py"), name, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return ask


def test_frictionless_finds_every_cell_valid(validated):
    assert validated("frictionless") == {"faults": [], "rows": ROWS}


def test_croissant_loads_every_record(validated):
    found = validated("croissant")
    assert (found["faults"], found["rows"]) == ([], ROWS)
    assert found["heights"] == [[0.1, 1 / 3]] * 4


def test_crate_keeps_the_rules_of_its_profiles(validated, wide_publication):
    assert validated("crate") == {
        "faults": [],
        "files": sum(1 for each in wide_publication.rglob("*") if each.is_file()) - 2,
    }


def test_citation_keeps_the_rules_of_its_format(validated):
    found = validated("citation")
    assert (found["faults"], found["authors"]) == ([], 2)


def test_frictionless_finds_a_changed_cell(validated, wide_publication, tmp_path):
    """The test of the data package can fail."""
    for each in ("datapackage.json", *(f"data/{name}.csv" for name in ROWS)):
        (tmp_path / each).parent.mkdir(exist_ok=True)
        text = (wide_publication / each).read_text()
        (tmp_path / each).write_text(
            text.replace(",9007199254740993", ",many") if "results" in each else text
        )
    assert any("many" in each for each in validated("frictionless", tmp_path)["faults"])
