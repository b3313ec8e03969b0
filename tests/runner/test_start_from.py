"""Runs that start from a record, with names, notes and users."""

import getpass
import json

import pytest

import lakebatch
from lakebatch.assembly import labels
from lakebatch.assembly.record import Plan
from lakebatch.errors import AssemblyError, ConfigError, NameClashError, UnknownNameError
from lakebatch.runner import run as runner
from lakebatch.snapshot import changes

FEW = ["levels=[0, 0.1]"]


def run(lake, name, **options):
    return runner.run(lake, name, jobs=1, **options)


def test_run_from_a_record_takes_its_config_and_says_so(toy, lake):
    first = run(lake, toy, settings=[*FEW, "at_once=true"])
    again = run(lake, toy, start_from=first.assembly_id, settings=["seed=5"], overrides={"levels": [0.0]})
    assert again.settings == first.settings | {"seed": 5, "levels": [0.0]}
    assert again.started_from == first.assembly_id
    assert json.loads(again.environment)["from"] == first.assembly_id
    stored = lake[toy]
    assert stored.assemblies()["started_from"].to_list() == [None, first.assembly_id]
    assert stored.history()["started_from"].to_list() == [None, None, again.started_from, again.started_from]
    difference = stored.diff(stored.history()["version"][1])
    assert difference.assemblies.select("assembly_id", "started_from").rows() == [
        (again.assembly_id, first.assembly_id)
    ]
    assert "from" not in again.software
    assert changes.since(stored, again) == []


def test_seed_of_a_run_from_a_record_is_new_unless_the_same_is_asked_for(toy, lake):
    first = run(lake, toy, settings=FEW)
    assert run(lake, toy, start_from=first.assembly_id).seed != first.seed
    same = run(lake, toy, start_from=first.assembly_id, same_seed=True)
    assert same.seed == first.seed
    assert lake[toy].replicates()["agrees"].to_list().count(True) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"same_seed": True}, "no assembly to take the same seed from"),
        ({"start_from": "FIRST", "same_seed": True, "seed": 1}, "Expected one of them"),
        ({"start_from": "FIRST", "preset": "guide"}, "Both the preset 'guide'"),
        ({"start_from": "other-toy:FIRST"}, "assembly of another experiment"),
        ({"start_from": "FIRST", "settings": ["lvels=1"]}, "Unknown config key 'lvels' \\(from --set\\)"),
        ({"assembly_name": "v1"}, "another meaning"),
        ({"assembly_name": "now"}, "another meaning"),
        ({"assembly_name": "20261123_142230_run001"}, "not a valid name of an assembly"),
        ({"assembly_name": "A b"}, "not a valid name of an assembly"),
        ({"note": " \n"}, "The note is empty"),
        ({"note": "x" * 10_001}, "at most 10000"),
    ],
)
def test_wrong_options_begin_no_assembly(toy, lake, options, message):
    first = run(lake, toy, settings=["levels=[0]"])
    if "start_from" in options:
        options = options | {"start_from": options["start_from"].replace("FIRST", first.assembly_id)}
    with pytest.raises(ConfigError, match=message):
        run(lake, toy, **options)
    assert lake[toy].assemblies().height == 1


def test_record_that_is_not_there_or_not_computed_is_refused(toy, lake):
    with pytest.raises(UnknownNameError, match="nothing of 'toy'"):
        run(lake, toy, start_from="first")
    run(lake, toy, settings=["levels=[0]"], assembly_name="first")
    with pytest.raises(UnknownNameError, match="Did you mean 'first'"):
        run(lake, toy, start_from="frst")
    lake[toy].log.start(Plan({"made_by": "a tool"}, ("a",), 1, 1, (), "0", {"name": "brought"}), 0)
    with pytest.raises(AssemblyError, match="comes from a tool and not from a run"):
        run(lake, toy, start_from="brought")


def test_record_of_another_experiment_version_is_taken_if_it_fits(toy, lake, tmp_path):
    first = run(lake, toy, settings=FEW, assembly_name="first")
    file = tmp_path / "experiments" / "toy.py"
    text = file.read_text().replace('"v1"', '"v2"')
    file.write_text(text)
    second = run(lake, toy, start_from="first")
    assert second.started_from == f"toy@v1:{first.assembly_id}"
    assert second.settings == first.settings
    assert run(lake, toy, start_from=second.started_from).started_from == second.started_from
    file.write_text(
        text.replace("at_once: bool", "together: bool").replace("config.at_once", "config.together")
    )
    with pytest.raises(
        ConfigError, match=f"toy@v1:{first.assembly_id} does not fit this code.*Unknown config key 'at_once'"
    ):
        run(lake, toy, start_from="toy@v1:first")


def test_record_imports_nothing_without_permission(toy, lake, tmp_path):
    file = tmp_path / "experiments" / "toy.py"
    text = file.read_text().replace(
        "class ToyConfig(ConfigModel):",
        "from pydantic import ValidationInfo, field_validator\n"
        "from lakebatch.experiment.contract import may_import\n\n"
        "class ToyConfig(ConfigModel):\n"
        "    model: str = setting('sklearn.x', help='Model.')\n"
        "    @field_validator('model')\n"
        "    def _check(cls, value, info: ValidationInfo):\n"
        "        may_import(info, value)\n"
        "        return value\n",
    )
    file.write_text(text)
    first = run(lake, toy, settings=["levels=[0]", "model=foreign.Thing"])
    with pytest.raises(ConfigError, match="code that a record names is not imported"):
        run(lake, toy, start_from=first.assembly_id)


def test_name_stands_for_the_id_everywhere(toy, lake):
    first = run(lake, toy, settings=FEW, assembly_name="high-dose")
    other = run(lake, toy, settings=FEW)
    stored = lake[toy]
    assert stored.status("high-dose") == "completed"
    with pytest.raises(
        UnknownNameError, match="'unknown' is not an assembly id, and no assembly has this name"
    ):
        stored.status("unknown")
    assert stored.reassemble(assembly="high-dose")["assembly_id"].unique().to_list() == [first.assembly_id]
    assert stored.snapshot().assembly("high-dose") == stored.log.get("high-dose")
    assert lake.sql("select distinct name, user from lake.assemblies order by name").rows() == [
        ("high-dose", labels.user()),
        (None, labels.user()),
    ]
    assert stored.diff("high-dose", other.assembly_id).before == "high-dose"
    assert not stored.snapshot().scan_one("high-dose").collect().is_empty()
    assert lakebatch.verify(lake, toy, "high-dose", jobs=1).assembly_id == first.assembly_id
    assert lakebatch.resume(lake, toy, "high-dose").assembly_id == first.assembly_id
    assert stored.source("high-dose") == stored.source(first.assembly_id)
    with pytest.raises(UnknownNameError, match="Did you mean 'high-dose'"):
        stored.reassemble(assembly="high-dos")
    with pytest.raises(UnknownNameError, match="is not an assembly id"):
        stored.reassemble(assembly="High dose")


def test_name_is_free_again_once_its_assembly_is_discarded(toy, lake):
    options = {"settings": ["levels=[0]"], "assembly_name": "best"}
    first = run(lake, toy, **options)
    with pytest.raises(NameClashError, match=f"{first.assembly_id} is called 'best' already"):
        run(lake, toy, **options)
    stored = lake[toy]
    stored.discard("best", "wrong dose")
    assert stored.log.get("best").assembly_id == first.assembly_id
    second = run(lake, toy, **options)
    assert stored.log.get("best").assembly_id == second.assembly_id
    with pytest.raises(NameClashError, match="is called 'best' already"):
        stored.restore(first.assembly_id, "right after all")
    stored.discard(second.assembly_id, "worse")
    with pytest.raises(AssemblyError, match="Several assemblies are called 'best'"):
        stored.log.get("best")
    assert stored.restore(first.assembly_id, "right after all").name == "best"


def test_names_are_decided_in_the_commit_that_begins_an_assembly(log):
    plan = Plan({}, ("a",), 1, None, (), "0", {"name": "best"})
    log.start(plan, 0)
    other = type(log)(type(log.table)(log.table.storage, log.table.path.rpartition("/")[0], log.table.schema))
    with pytest.raises(NameClashError):
        other.start(plan, 0)
    assert len(log.latest()) == 1


def test_notes_are_kept_in_order_and_without_secrets(toy, lake, monkeypatch):
    monkeypatch.setenv("S3_SECRET_KEY", "hush-hush-hush")
    first = run(lake, toy, settings=["levels=[0]"], note=" key hush-hush-hush\n", assembly_name="noted")
    stored = lake[toy]
    before = stored.snapshot().version
    stored.note("noted", "the pump was off")
    assert stored.assemblies()["note"].to_list() == ["key [S3_SECRET_KEY withheld]; the pump was off"]
    assert stored.assemblies(version=before)["note"].to_list() == ["key [S3_SECRET_KEY withheld]"]
    assert stored.status(first.assembly_id) == "completed"
    assert stored.history()["note"].drop_nulls().len() == 2
    with pytest.raises(ConfigError, match="The note is empty"):
        stored.note("noted", "")


def test_note_about_a_running_assembly_does_not_end_it(toy, lake):
    seen = []

    class Noting(runner.Progress):
        def part_committed(self, outcome, rows):
            if not seen:
                stored = lake[toy]
                stored.note(stored.log.newest().assembly_id, "still running")
                seen.append(stored.log.newest().state)

    ended = run(lake, toy, settings=FEW, progress=Noting(), note="begun")
    assert seen == ["running"]
    assert ended.status == "completed"
    assert lake[toy].assemblies()["note"].to_list() == ["begun; still running"]
    assert lake[toy].snapshot().mixtures() == {}


def test_resume_keeps_name_origin_and_note(toy, lake, tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEBATCH_USER", "ada")
    first = run(lake, toy, settings=FEW)
    failed = run(
        lake, toy, start_from=first.assembly_id, settings=["fail=[0.1]"], assembly_name="second", note="why"
    )
    (tmp_path / "mended").touch()
    monkeypatch.setenv("LAKEBATCH_USER", "grace")
    resumed = lakebatch.resume(lake, toy, "second", jobs=1)
    assert (failed.status, resumed.status) == ("failed", "completed")
    assert (resumed.name, resumed.started_from) == ("second", first.assembly_id)
    row = lake[toy].assemblies().row(1, named=True)
    assert (row["user"], row["note"]) == ("ada", "why")
    assert lake[toy].history()["user"].to_list() == ["ada", "ada", "ada", "ada", "grace", "grace"]


def test_user_is_never_an_error(monkeypatch):
    def unknown():
        raise KeyError("uid not found")

    monkeypatch.delenv("LAKEBATCH_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", unknown)
    assert labels.user().startswith("uid ")
    monkeypatch.setenv("LAKEBATCH_USER", "a\x1b[31m\udcff")
    assert labels.user() == "a\\x1b[31m\\udcff"
