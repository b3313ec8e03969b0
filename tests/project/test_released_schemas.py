"""Schemas of every released version, compared with the current ones: only columns and constraints are added."""

import copy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RELEASED = sorted(ROOT.glob("tests/fixtures/schema_*/schemas/*.toml"))
MAY_CHANGE = {"comment", "label", "short", "higher_is_better", "minimum", "maximum"}
# what no table stores of a built-in column


def version_of(file: Path) -> int:
    return int(file.parents[1].name.removeprefix("schema_"))


def rules(document):
    """Return each constraint's rule and the version that added it."""
    return {
        name: (value, 1) if isinstance(value, str) else (value["rule"], value["since"])
        for name, value in document["constraints"].items()
    }


def changes(released, today):
    """Return the forbidden changes from a released schema to the current one."""
    faults = [key for key in ("table", "partition_by") if released[key] != today[key]]
    before = {column["name"]: column for column in released["columns"]}
    now = {column["name"]: column for column in today["columns"]}
    for name, column in before.items():
        kept = {key: value for key, value in column.items() if key not in MAY_CHANGE}
        if kept != {key: value for key, value in now.get(name, {}).items() if key not in MAY_CHANGE}:
            faults.append(f"column {name}")
    faults += [
        f"new column {name}"
        for name, column in now.items()
        if name not in before
        and (column.get("since", 1) <= released["version"] or not column.get("nullable", True))
    ]
    faults += [
        f"constraint {name}" for name in rules(released) if rules(released)[name] != rules(today).get(name)
    ]
    faults += [
        f"new constraint {name}"
        for name, (_, since) in rules(today).items()
        if name not in rules(released) and since <= released["version"]
    ]
    return faults + ([] if today["version"] >= released["version"] else ["version"])


@pytest.mark.parametrize("file", RELEASED, ids=[f"{version_of(each)}-{each.stem}" for each in RELEASED])
def test_schema_only_adds_to_a_released_one(file):
    released = tomllib.loads(file.read_text())
    assert released["version"] == version_of(file)
    assert changes(released, tomllib.loads((ROOT / "schemas" / file.name).read_text())) == []


def test_every_released_version_is_kept():
    newest = max(tomllib.loads(file.read_text())["version"] for file in (ROOT / "schemas").glob("*.toml"))
    assert {version_of(file) for file in RELEASED} >= set(range(1, newest)) | {1}


def document():
    return tomllib.loads((ROOT / "schemas" / "results.toml").read_text())


BREAKS = {
    "table": lambda it: it.update(table="other"),
    "partition_by": lambda it: it.update(partition_by=[]),
    "column level": lambda it: it["columns"][2].update(type="string"),
    "column part": lambda it: it["columns"][1].update(nullable=True),
    "column recorded_at": lambda it: it["columns"].pop(),
    "column mse": lambda it: it["columns"][9].update(unit="m"),
    "new column x": lambda it: it["columns"].append({"name": "x", "type": "long", "comment": "New."}),
    "new column y": lambda it: it["columns"].append(
        {"name": "y", "type": "long", "since": 2, "nullable": False}
    ),
    "constraint part_is_set": lambda it: it["constraints"].pop("part_is_set"),
    "constraint mse_not_negative": lambda it: it["constraints"].update(mse_not_negative="mse > 0"),
    "new constraint z": lambda it: it["constraints"].update(z="mse < 9"),
    "version": lambda it: it.update(version=0),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_incompatible_change_is_found(fault):
    today = copy.deepcopy(document())
    BREAKS[fault](today)
    assert changes(document(), today) == [fault]


def test_added_column_and_constraint_are_allowed():
    today = document()
    today["version"] = 2
    today["columns"].append({"name": "x", "type": "long", "comment": "New.", "since": 2})
    today["constraints"]["x_set"] = {"rule": "x IS NULL OR x > 0", "since": 2}
    today["columns"][0]["comment"] = "Better said."
    assert changes(document(), today) == []
