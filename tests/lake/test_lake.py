"""A lake as a container of experiments, and a place without a lake."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli import main
from lakebatch.errors import StorageError, UnknownNameError


@pytest.fixture
def two_versions(copied_lake):
    """Return a lake that has versions v1 and v2 of one experiment."""
    folder = Path(copied_lake.storage.uri)
    shutil.copytree(folder / "90_v1_toy", folder / "90_v2_toy")
    return copied_lake


def test_lake_is_asked_by_name(copied_lake):
    assert "toy" in copied_lake
    assert "90_v1_toy" in copied_lake
    assert copied_lake["toy"] in copied_lake
    assert "toys" not in copied_lake
    assert None not in copied_lake
    assert copied_lake.get("toy").folder == "90_v1_toy"
    assert copied_lake.get("toys") is None
    assert {"toy", "other-toy"} == set(copied_lake._ipython_key_completions_())
    assert copied_lake.get("toys", "none") == "none"


def test_lake_counts_and_names_its_experiments(two_versions):
    folders = ["90_v1_toy", "90_v2_toy", "91_v1_other-toy"]
    assert len(two_versions) == 3
    assert [each.folder for each in two_versions] == folders
    assert two_versions.keys() == ["toy@v1", "toy", "other-toy"]
    assert [each.folder for each in two_versions.values()] == folders
    assert [(name, each.folder) for name, each in two_versions.items()][1] == ("toy", "90_v2_toy")
    assert dict(two_versions)["toy"].other_versions == two_versions["toy"].other_versions == ("toy@v1",)


def test_stored_experiment_is_in_its_own_lake_only(copied_lake, tmp_path):
    shutil.copytree(copied_lake.storage.uri, tmp_path / "copy")
    assert copied_lake["toy"] not in lakebatch.open_lake(tmp_path / "copy")


@pytest.mark.parametrize("name", ["toys", 0, None])
def test_unknown_experiment_is_named_with_those_that_exist(copied_lake, name):
    for place in (copied_lake, copied_lake.snapshot()):
        with pytest.raises(UnknownNameError, match=rf"{name!r}.*(There|Known): .*toy"):
            place[name]
        assert name not in place
        assert place.get(name) is None


def test_snapshot_of_a_lake_takes_folder_names_too(copied_lake):
    pinned = copied_lake.snapshot()
    assert pinned["90_v1_toy"] is pinned["toy"]
    assert "90_v1_toy" in pinned
    assert list(pinned) == ["toy", "other-toy"]


READS = {
    "experiments": lambda lake: lake.experiments(),
    "list": list,
    "keys": lambda lake: lake.keys(),
    "snapshot": lambda lake: lake.snapshot(),
    "sql": lambda lake: lake.sql("SELECT count(*) FROM lake.results"),
    "usage": lambda lake: lake.usage(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize(
    ("place", "why"), [("typo", "the folder does not exist"), (".", "no experiment is in it")]
)
def test_reading_where_there_is_no_lake_warns(tmp_path, monkeypatch, read, place, why):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(
        UserWarning, match=rf"^There is no lake in .*: {why}\. .* lakebatch run response-noise$"
    ):
        read(lakebatch.open_lake(place))


def test_place_without_a_lake_is_refused_when_asked_to(copied_lake, tmp_path):
    with pytest.raises(StorageError, match=r"There is no lake in .*/typo: the folder does not exist\."):
        lakebatch.open_lake(tmp_path / "typo", create=False)
    assert len(lakebatch.open_lake(copied_lake.storage.uri, create=False)) == 2


def test_first_run_needs_no_lake_and_warns_of_nothing(tmp_path, toy):
    lake = lakebatch.open_lake(tmp_path / "new")
    assert lake
    assert toy not in lake
    with pytest.raises(
        UnknownNameError,
        match=r"There is nothing of 'toy'\. There is no lake in .* with a run: lakebatch run toy$",
    ):
        lake[toy]
    assert lakebatch.run(lake, toy, jobs=1).status == "completed"
    assert lake.keys() == ["toy"]


@pytest.mark.filterwarnings("always:There is no lake")
@pytest.mark.parametrize(
    "arguments", [("status",), ("list",), ("sql", "SELECT 1"), ("du",), ("history", "response-noise")]
)
def test_commands_say_that_there_is_no_lake(tmp_path, arguments):
    done = CliRunner().invoke(main, ["--lake", str(tmp_path / "typo"), *arguments])
    assert done.stderr.count(f"There is no lake in {tmp_path}/typo: the folder does not exist.") == 1


def test_reading_loads_nothing_of_upkeep(lake, toy):
    """What only writers and descriptions need would be a quarter of the imports of a process that reads."""
    lakebatch.run(lake, toy, jobs=1)
    code = (
        "import sys, lakebatch; print(lakebatch.open_lake(sys.argv[1])['toy'].reassemble().height); "
        "others = ('maintenance.optimize', 'maintenance.published', 'snapshot.dictionary', 'snapshot.dataset_files', "
        "'assembly.logs'); print([each for each in others if f'lakebatch.{each}' in sys.modules])"
    )
    command = [sys.executable, "-c", code, lake.storage.uri]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["9", "[]"], done.stdout
