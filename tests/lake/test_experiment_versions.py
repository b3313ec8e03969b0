"""Experiment versions in Python: NAME is the newest, NAME@v1 another; both can be compared."""

import re
import shutil
import sys
from pathlib import Path

import pytest

import lakebatch
from lakebatch.errors import AssemblyError, ConfigError, UnknownNameError
from lakebatch.runner import resumable
from lakebatch.runner import run as runner

pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")


def set_version(version: str) -> None:
    """Give the code another experiment version."""
    file = Path("experiments/toy.py")
    file.write_text(re.sub(r'version = "v\d+"', f'version = "{version}"', file.read_text()))
    sys.modules.pop("_experiments_toy", None)


def test_name_is_the_newest_version_and_name_at_version_another(both):
    assert both["toy"].reassemble().height == 3
    assert [both[name].reassemble().height for name in ("toy@v1", "toy@v2", "90_v1_toy")] == [9, 3, 9]
    assert both["toy"].other_versions == ("toy@v1",)
    assert both["toy@v1"].other_versions == ()
    assert [each.reference for each in both] == ["toy@v1", "toy"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("toy@v9", r"^There is no experiment version 'v9' of toy\. Known: toy@v1, toy@v2\.$"),
        ("toy@", r"^There is no experiment version '' of toy\. Known: toy@v1, toy@v2\.$"),
        ("91_v1_toy", r"^There is no experiment version '91_v1_toy' of toy\. Known: toy@v1, toy@v2\.$"),
        ("tyo@v1", r"^There is nothing of 'tyo@v1' in .*There: toy@v1, toy\.$"),
    ],
)
def test_unknown_version_is_refused_with_those_that_there_are(both, name, line):
    for read in (lambda: both[name], lambda: both.doctor(name)):
        with pytest.raises(UnknownNameError, match=line):
            read()


def test_snapshot_has_every_version_by_name(both):
    pinned = both.snapshot()
    assert list(pinned) == ["toy@v1", "toy"]
    assert pinned["toy"].folder == pinned["toy@v2"].folder == "90_v2_toy"
    assert pinned["90_v1_toy"] is pinned["toy@v1"]
    assert "toy@v2" in pinned
    assert "toy@v9" not in pinned
    assert pinned.overview().select("experiment", "experiment_version", "rows").rows() == [
        ("toy", "v1", 9),
        ("toy", "v2", 3),
    ]
    with pytest.raises(UnknownNameError, match="There is no experiment version 'v9' of toy"):
        pinned["toy@v9"]


def test_only_the_version_of_the_code_can_be_computed(both):
    line = (
        r"^toy@v1 cannot be computed: the code \(experiments/toy.py\) has experiment version v2, number 90\."
    )
    for compute in (
        lambda: lakebatch.run(both, "toy@v1", jobs=1),
        lambda: lakebatch.run(both, "90_v1_toy", jobs=1),
    ):
        with pytest.raises(ConfigError, match=line):
            compute()
    assert lakebatch.run(both, "toy@v2", jobs=1, settings=["levels=[0]"]).status == "completed"
    before = both["toy@v1"].assemblies()["assembly_id"].item()
    with pytest.raises(AssemblyError, match="is of 90_v1_toy, this code has experiment version v2 of it"):
        lakebatch.verify(both, "toy@v1", before)


def test_runs_of_an_older_version_are_named_and_resumed_by_it(both):
    set_version("v1")
    failed = lakebatch.run(both, "toy", jobs=1, settings=["fail=[0.1]"])
    assert failed.status == "failed"
    assert runner.name_in_lake(both, "toy") == "toy@v1"
    assert resumable.choose(both).experiment == "toy@v1"
    assert f"resume toy@v1 {failed.assembly_id}" in " ".join(both.doctor()["advice"].drop_nulls())


def test_diff_compares_two_versions(both):
    stored = both["toy"]
    for before, after in (("v1", "v2"), ("toy@v1", "now"), ("90_v1_toy", "toy@v2")):
        found = stored.diff(before, after)
        assert found.before == "toy@v1"
        assert found.after == ("now" if after == "now" else "toy@v2")
        assert found.assemblies["change"].to_list() == ["only before", "only after"]
        assert found.config.rows() == [("levels", "[0.0, 0.1, 0.2]", "[0.0]")]
        assert ("experiment_version", "v1", "v2") in found.code.rows()
        assert found.metrics.filter(metric="mse")["level"].unique().to_list() == [0.0]
    assert both["toy@v1"].diff("v1", "now").assemblies.is_empty()
    with pytest.raises(UnknownNameError, match="There is no experiment version 'v9' of toy"):
        stored.diff("v9")
    with pytest.raises(ConfigError, match="'other@v1' is another experiment"):
        stored.diff("other@v1")


def test_diff_tells_assemblies_of_one_id_apart(lake, toy):
    """Two experiment versions can start a run of the same number in the same second."""
    lakebatch.run(lake, toy, jobs=1)
    folder = Path(lake.storage.uri)
    shutil.copytree(folder / "90_v1_toy", folder / "90_v2_toy")
    assert lake["toy"].diff("v1", "v2").assemblies["change"].to_list() == ["only before", "only after"]


def test_plot_against_a_version_names_it(both):
    for against in ("v1", "toy@v1"):
        notes = " ".join(both["toy"].plot("levels", metric="mse", against=against).chart.notes)
        assert re.search(r"hollow: toy@v1, version \d+", notes)


def test_tag_is_not_called_like_a_version_and_an_older_one_wins(both):
    stored = both["toy"]
    with pytest.raises(ConfigError, match=r"^A tag cannot be called 'v1', .* e\.g\. paper-v1\.$"):
        stored.tag("v1")
    stored.tag("older")
    older = stored.tag_log.get("older")
    stored.tag_log.set(type(older)(**{**older.__dict__, "tag": "v1"}))
    with pytest.warns(UserWarning, match="'v1' is read as the tag of that name. .* is called toy@v1"):
        assert stored.diff("v1").before == "tag v1"
    assert stored.diff("toy@v1").before == "toy@v1"


def test_tag_of_another_version_is_found_by_the_error(both):
    both["toy@v1"].tag("paper")
    assert both["toy@v1"].reassemble(tag="paper").height == 9
    line = r"^toy has no tag 'paper' in its newest experiment version, v2\. Experiment versions with it: toy@v1\.$"
    with pytest.raises(UnknownNameError, match=line):
        both["toy"].reassemble(tag="paper")


def test_notebook_names_the_version(both):
    assert "toy@v1, now" in both["toy@v1"]._repr_html_()
    assert "toy@v2, version" in both["toy"].snapshot()._repr_html_()
    assert "experiment_version" in both._repr_html_()
