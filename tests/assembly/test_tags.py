"""Tags: permanent names of states, found by every reader."""

import polars as pl
import pytest

import lakebatch
from lakebatch.errors import ConfigError, NameClashError, UnknownNameError
from lakebatch.storage.delta.table import Table


def test_tag_names_the_same_state_after_later_runs(stored, run, lake, toy):
    rows, assemblies = stored.reassemble(), stored.assemblies()
    stored.tag("paper-v1", note="as submitted")
    run("levels=[0, 0.5]")
    stored.discard(assemblies["assembly_id"][0], "wrong dose")
    assert stored.reassemble(tag="paper-v1", on_gap="refuse").equals(rows)
    assert stored.assemblies(tag="paper-v1").equals(assemblies)
    assert stored.reassemble()["assembly_id"].unique().to_list() != rows["assembly_id"].unique().to_list()
    counted = lake.sql("SELECT count(*) AS n FROM toy.results", tag="paper-v1")
    assert counted["n"].to_list() == [rows.height]
    (named,) = stored.tags().rows(named=True)
    assert (named["tag"], named["note"]) == ("paper-v1", "as submitted")


def test_past_version_and_past_time_can_be_tagged(stored, run):
    first = stored.reassemble()
    version, at = stored.snapshot().version, stored.history()["at"].max()
    run("levels=[0, 0.5]")
    stored.tag("by-version", version=version)
    stored.tag("by-time", as_of=at)
    for tag in ("by-version", "by-time"):
        assert stored.reassemble(tag=tag).equals(first)


def test_tag_is_never_moved(stored, run):
    stored.tag("paper-v1")
    first = stored.reassemble()
    run()
    with pytest.raises(NameClashError, match=r"There is already a tag 'paper-v1', of .*, version 5"):
        stored.tag("paper-v1")
    assert stored.reassemble(tag="paper-v1").equals(first)


def test_unknown_tag_leads_to_the_known_ones(stored, lake):
    stored.tag("paper-v1")
    for read in (stored.reassemble, lake.snapshot):
        with pytest.raises(UnknownNameError, match=r"Unknown tag 'paper-v2'. Did you mean 'paper-v1'"):
            read(tag="paper-v2")


@pytest.mark.parametrize("name", ["../up", "Paper", "a b", "", "v1'; DROP TABLE tags"])
def test_invalid_tag_name_is_refused(stored, name):
    with pytest.raises(ConfigError, match=r"is not a valid tag"):
        stored.tag(name)
    assert stored.tags().is_empty()


def test_lake_at_a_tag_names_experiments_without_it(stored, lake, run, tmp_path):
    other = tmp_path / "experiments" / "other_toy.py"
    other.write_text((tmp_path / "experiments" / "toy.py").read_text().replace('"toy"', '"other-toy"'))
    lakebatch.run(lake, "other-toy", jobs=1)
    stored.tag("paper-v1")
    with pytest.warns(UserWarning, match=r"Left out, since they have no tag 'paper-v1': other-toy"):
        pinned = lake.snapshot(tag="paper-v1")
    assert list(pinned) == ["toy"]


def test_tag_set_by_two_processes_at_once_is_set_once(stored, monkeypatch):
    """The second process checks again after the first has committed, and finds the name taken."""
    real, calls = Table.append_once, []

    def late(table, transaction, data_after, metadata):
        if not calls:
            calls.append(table)
            lakebatch.open_lake(stored.storage.uri)["toy"].tag("paper-v1", note="first")
        return real(table, transaction, data_after, metadata)

    monkeypatch.setattr(Table, "append_once", late)
    with pytest.raises(NameClashError):
        stored.tag("paper-v1", note="second")
    assert stored.tags()["note"].to_list() == ["first"]


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_two_snapshots_can_be_joined_in_one_query(stored, run, lake):
    stored.tag("paper-v1")
    run("levels=[0, 0.5]")
    text = """
        SELECT (SELECT count(*) FROM toy.results) AS now, (SELECT count(*) FROM before.toy.results) AS past,
               (SELECT count(*) FROM before.lake.assemblies) AS assemblies
    """
    found = lake.sql(text, also={"before": lake.snapshot(tag="paper-v1")})
    assert found.row(0) == (15, 9, 1)
    assert pl.Series(lake.snapshot(tag="paper-v1")["toy"].ids()).len() == 1
