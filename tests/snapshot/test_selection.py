"""Selections: the same assemblies in Python, on the command line and in SQL."""

import json
import warnings
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import (
    ConfigError,
    LakebatchError,
    MixtureError,
    MixtureWarning,
    UnknownNameError,
)
from lakebatch.snapshot.selection import look_up, selection

FIRST, SECOND = ("levels=[0, 0.1]",), ("levels=[0]", "at_once=true")


@pytest.fixture
def mixed(after_runs):
    """Return a lake with two assemblies of one config and one of another."""
    return after_runs(FIRST, SECOND, FIRST)


@pytest.fixture
def ids(mixed):
    return mixed["toy"].assemblies()["assembly_id"].to_list()


def run(lake, *arguments: str):
    warnings.simplefilter("always")
    return CliRunner().invoke(main, ["--lake", str(lake.storage.uri), *arguments])


def rows(frame: pl.DataFrame) -> list[str]:
    return frame["assembly_id"].unique(maintain_order=True).to_list()


@pytest.mark.parametrize(
    ("given", "options", "chosen"),
    [
        ({"where": {"at_once": True}}, ["--where", "at_once=true"], [1]),
        ({"where": {"levels": [0, 0.1]}}, ["--where", "levels=[0, 0.1]"], [0, 2]),
        ({"where": {"levels.1": 0.1}}, ["--where", "levels.1=0.1"], [0, 2]),
        ({"where": "at_once=false"}, ["--where", "at_once=false"], [0, 2]),
        ({"where": {"at_once": False, "levels": (0, 0.1)}}, ["--where", "at_once=false", "--where", "levels.1=0.1"], [0, 2]),
        ({"config": 2}, ["--config", "2"], [1]),
        ({"config": "1"}, ["--config", "1"], [0, 2]),
    ],
)  # fmt: skip
def test_selection_reads_the_same_rows_everywhere(mixed, ids, given, options, chosen):
    expected = [ids[index] for index in chosen]
    toy = mixed["toy"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no mixture is left
        assert rows(toy.reassemble(**given)) == expected
        assert sorted(rows(toy.scan(**given).collect())) == expected
        assert rows(pl.concat(toy.snapshot(**given).pieces())) == expected
        assert rows(mixed.sql("SELECT * FROM toy.results ORDER BY assembly_id", **given)) == expected
        assert rows(mixed.sql("SELECT * FROM lake.results ORDER BY assembly_id", **given)) == expected
        assert rows(toy.completeness(**given)) == expected
        assert mixed.query("levels", {"experiment": "toy"}, **given)["assemblies"].max() == len(expected)
        assert toy.plot("growth", **given).chart.caption.startswith(f"{len(expected)} completed")
        with mixed.connect(**given) as connection:
            counted = connection.sql("SELECT DISTINCT assembly_id FROM toy.results ORDER BY 1").fetchall()
    assert [each for (each,) in counted] == expected
    done = run(mixed, "reassemble", "toy", *options, "--format", "csv")
    assert (done.exit_code, done.stderr) == (0, "")
    assert rows(pl.read_csv(done.stdout.encode())) == expected
    done = run(
        mixed, "sql", *options, "--format", "csv", "SELECT DISTINCT assembly_id FROM toy.results ORDER BY 1"
    )
    assert (done.exit_code, done.stdout.split()[1:]) == (0, expected)


def test_assemblies_are_selected_by_id(mixed, ids):
    assert rows(mixed["toy"].reassemble(assembly=ids[1])) == [ids[1]]
    assert rows(mixed["toy"].reassemble(assembly=[ids[2], ids[0]])) == [ids[0], ids[2]]
    done = run(mixed, "reassemble", "toy", "--assembly", ids[2], "--format", "csv")
    assert rows(pl.read_csv(done.stdout.encode())) == [ids[2]]
    with pytest.raises(UnknownNameError, match="'x' is not an assembly id"):
        mixed["toy"].reassemble(assembly="x")
    with pytest.raises(UnknownNameError, match=r"There is no assembly 20200101_000000_run001 of toy, now\."):
        mixed["toy"].reassemble(assembly="20200101_000000_run001")


def test_config_is_selected_by_preset_and_by_its_hash(mixed, ids, toy):
    lakebatch.run(mixed, toy, jobs=1)
    newest = mixed["toy"].assemblies().row(-1, named=True)
    assert rows(mixed["toy"].reassemble(preset="guide")) == [newest["assembly_id"]]
    assert rows(mixed["toy"].reassemble(config=newest["config_hash"][:8])) == [newest["assembly_id"]]
    with pytest.raises(UnknownNameError, match=r"Unknown preset 'guid'\. Did you mean 'guide'\?"):
        mixed["toy"].reassemble(preset="guid")


def test_numbers_of_configs_stay_when_runs_follow_and_when_a_snapshot_is_narrowed(mixed, ids):
    numbers = dict(mixed["toy"].snapshot().config_numbers)
    assert list(numbers.values()) == [1, 2]
    narrow = mixed["toy"].snapshot(config=2)
    assert narrow.config_numbers == numbers
    assert narrow.select(selection(config=2)).ids() == [ids[1]]
    lakebatch.run(mixed, "toy", jobs=1, settings=["levels=[0, 0.2]"])
    assert dict(mixed["toy"].snapshot().config_numbers).items() > numbers.items()
    replicates = mixed["toy"].replicates()
    assert replicates["config"].to_list() == [1, 1]


@pytest.mark.parametrize(
    ("given", "error", "line"),
    [
        ({"where": {"levels": [7]}}, UnknownNameError, r"No assembly of toy has levels=\[7\]. There: \[0.0,0.1\], \[0.0\]."),
        ({"where": "at_onc=true"}, ConfigError, r"No config of toy has the key 'at_onc'. Did you mean 'at_once'\?"),
        ({"where": "nonsense"}, ConfigError, "Cannot read where 'nonsense'. Expected key=value"),
        ({"where": {"at_once": 1}}, UnknownNameError, "No assembly of toy has at_once=1. There: false, true."),
        ({"config": 3}, UnknownNameError, r"is in this selection: completed, config 3, now. Configs: 1 \("),
        ({"config": "first"}, ConfigError, "'first' is no config. Expected its number"),
        ({"config": True}, ConfigError, "True is no config."),
        ({"on_mix": "raise"}, ConfigError, "Unknown on_mix 'raise'. Known: ignore, refuse, warn."),
        ({"where": {"at_once": True}, "config": 1}, UnknownNameError, "selection: completed, at_once=true, config 1, now"),
    ],
)  # fmt: skip
def test_selection_of_nothing_says_what_there_is(mixed, given, error, line):
    readers = [mixed["toy"].reassemble, lambda **given: mixed.sql("FROM toy.results", **given)]
    for read in readers:
        with pytest.raises(error, match=line):
            read(**given)


def test_mixture_is_refused_or_ignored_as_asked(mixed):
    with pytest.warns(
        MixtureWarning, match="3 assemblies of toy have 2 configs: at_once false, true; levels"
    ):
        mixed["toy"].reassemble()
    mixed["toy"].reassemble(on_mix="ignore")
    for refused in (
        lambda: mixed["toy"].reassemble(on_mix="refuse"),
        lambda: list(mixed["toy"].snapshot(on_mix="refuse").pieces()),
        lambda: mixed.sql("FROM toy.results", on_mix="refuse"),
        lambda: mixed["toy"].plot("growth", on_mix="refuse"),
    ):
        with pytest.raises(
            MixtureError, match="The dataset is a mixture: 3 assemblies of toy have 2 configs"
        ):
            refused()
    assert mixed["toy"].reassemble(on_mix="refuse", config=1).height > 0
    done = run(mixed, "reassemble", "toy", "-o", "x.parquet", "--on-mix", "refuse")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert run(mixed, "reassemble", "toy", "-o", "x.parquet", "--on-mix", "ignore").stderr.count("\n") == 2


def test_selection_narrows_only_the_experiments_that_have_it(mixed, toy, ids, tmp_path):
    other = toy_as("other-toy")
    lakebatch.run(mixed, other, jobs=1, settings=FIRST)
    read = mixed.sql("SELECT DISTINCT experiment FROM lake.results ORDER BY 1", where={"at_once": True})
    assert read["experiment"].to_list() == ["toy"]
    with pytest.raises(LakebatchError, match="has the key 'nothing'"):
        mixed.sql("FROM lake.results", where={"nothing": 1})


def toy_as(name: str) -> str:
    from pathlib import Path

    text = Path("experiments/toy.py").read_text()
    Path(f"experiments/{name.replace('-', '_')}.py").write_text(
        text.replace('name = "toy"', f'name = "{name}"')
    )
    return name


def test_exported_file_names_its_selection(mixed, ids):
    done = run(mixed, "reassemble", "toy", "--config", "2", "-o", "x.parquet")
    version = mixed["toy"].results.version()
    line = f"toy@v1, version {version}: 1 completed assembly, config 2"
    assert json.loads(pl.read_parquet_metadata("x.parquet")["lakebatch"])["selection"] == line
    assert done.stderr.splitlines()[1:] == [line]


def test_value_of_a_config_is_found_below_lists():
    assert look_up({"a": [{"b": None}]}, "a.0.b") is None


def test_pictures_and_reports_carry_their_selection(mixed, tmp_path):
    picture = mixed["toy"].plot("growth", config=1)
    line = mixed["toy"].snapshot(config=1).describe()
    assert line.endswith("2 completed assemblies, config 1")
    assert picture.chart.description().endswith(f"Dataset: {line}.")
    assert f"Dataset: {line}.".encode() in picture.to_bytes(".png")
    assert f"Dataset: {line}." in picture.to_bytes(".svg").decode()
    report = mixed["toy"].report(where="at_once=true")
    text = report.markdown("x")
    assert mixed["toy"].snapshot(where="at_once=true").describe() in text.replace("\\", "")
    assert " report toy@v1 --where at_once=true --version" in text
    assert "Config 2, run by 1 assembly" in text
    assert "Config 1" not in text


def test_files_of_queries_and_datasets_name_their_selection(mixed, ids):
    run(mixed, "sql", "--where", "at_once=true", "-o", "x.arrow", "FROM toy.results")
    about = json.loads(pa.ipc.open_file("x.arrow").schema.metadata[b"lakebatch"])
    assert about["selection"] == "toy@v1, now: completed, at_once=true"
    assert (about["query"], about["lake"]) == ("FROM toy.results", mixed.storage.uri)
    (experiment,) = about["experiments"]
    assert experiment["assemblies"] == [ids[1]]


def test_exported_dataset_says_where_its_rows_come_from(mixed, ids):
    """In the metadata of Parquet files with units and comments, beside CSV files; the same bytes each time."""
    run(mixed, "reassemble", "toy", "--config", "1", "-o", "x.parquet")
    schema = pq.read_schema("x.parquet")
    about = json.loads(schema.metadata[b"lakebatch"])
    assert about["experiment"] == "toy"
    assert about["assemblies"] == [ids[0], ids[2]]
    assert [(each["config"], each["assemblies"]) for each in about["configs"]] == [(1, 2)]
    assert len(about["source_hashes"]) == 1
    assert about["state"]["results_version"] == mixed["toy"].snapshot().version
    assert schema.field("mse").metadata[b"unit"] == b"a.u.^2"
    run(mixed, "reassemble", "toy", "--config", "1", "-o", "x.csv")
    beside = json.loads(Path("x.csv.json").read_text())
    assert beside.pop("columns")["mse"]["unit"] == "a.u.^2"
    assert beside == about
    before = Path("x.csv.json").read_bytes(), Path("x.parquet").read_bytes()
    run(mixed, "reassemble", "toy", "--config", "1", "-o", "x.csv")
    run(mixed, "reassemble", "toy", "--config", "1", "-o", "x.parquet")
    assert before == (Path("x.csv.json").read_bytes(), Path("x.parquet").read_bytes())


def test_diff_compares_the_selected_configs(mixed, ids):
    toy = mixed["toy"]
    everything = toy.diff(0, "now")
    assert everything.assemblies["assembly_id"].to_list() == ids
    assert toy.diff(0, "now", config=2).assemblies["assembly_id"].to_list() == [ids[1]]
    done = run(mixed, "diff", "toy", "0", "now", "--where", "at_once=false", "--format", "json")
    assert [each["assembly_id"] for each in json.loads(done.stdout)["assemblies"]] == [ids[0], ids[2]]
    with pytest.raises(UnknownNameError, match="has at_once=3"):
        toy.diff(0, "now", where="at_once=3")


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_pictures_and_reports_name_the_mixture_that_they_show(mixed):
    line = "3 assemblies of toy have 2 configs: at_once false, true; levels [0.0, 0.1], [0.0]."
    assert f"Mixture: {line}" in mixed["toy"].plot("growth").chart.notes
    assert line in mixed["toy"].report(on_mix="ignore").content.warnings
    assert mixed["toy"].plot("growth", config=1).chart.notes[-1].startswith("Dataset: ")
