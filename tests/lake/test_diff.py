"""What changed between two states or two assemblies."""

import polars as pl
import pytest
from scipy import stats

import lakebatch
from lakebatch.errors import UnknownNameError


def test_difference_between_versions_names_assemblies_config_and_code(stored, run):
    version = stored.snapshot().version
    second = run("levels=[0, 0.5]").assembly_id
    found = stored.diff(version)
    assert (found.before, found.after) == (f"version {version}", "now")
    (row,) = found.assemblies.rows(named=True)
    assert (row["assembly_id"], row["change"], row["rows_after"]) == (second, "added", 6)
    (setting,) = found.config.rows(named=True)
    assert setting["key"] == "levels"
    assert setting["before"] == "[0.0, 0.1, 0.2]"
    assert setting["after"] == "[0.0, 0.1, 0.2] | [0.0, 0.5]"
    assert found.code.is_empty()


def test_discarded_and_failed_assemblies_are_changes_of_status(stored, run):
    version = stored.snapshot().version
    (first,) = stored.assemblies()["assembly_id"]
    failed = run("fail=[0.1]").assembly_id
    stored.discard(first, "wrong dose")
    changes = {row["assembly_id"]: row for row in stored.diff(version).assemblies.rows(named=True)}
    assert changes[first]["change"] == "changed"
    assert (changes[first]["status_before"], changes[first]["status_after"]) == ("completed", "discarded")
    assert changes[failed]["status_after"] == "failed"
    back = {
        row["assembly_id"]: row["change"] for row in stored.diff("now", version).assemblies.rows(named=True)
    }
    assert back == {first: "changed", failed: "removed"}


def test_metrics_of_two_assemblies_are_compared_as_pairs_of_repeats(stored, run):
    first, second = stored.assemblies()["assembly_id"][0], run().assembly_id
    shifts = stored.diff(first, second).metrics
    rows = stored.reassemble()
    (shift,) = shifts.filter(level=0.1, metric="mse").rows(named=True)
    old, new = (
        rows.filter(assembly_id=each, level=0.1).sort("repeat")["mse"].to_numpy() for each in (first, second)
    )
    expected = stats.ttest_rel(new, old)
    assert shift["pairs"] == 3
    assert shift["before"] == pytest.approx(old.mean())
    assert shift["shift"] == pytest.approx((new - old).mean())
    assert shift["t"] == pytest.approx(expected.statistic)
    assert shift["p"] == pytest.approx(expected.pvalue)


def test_state_compared_with_itself_differs_in_nothing(stored):
    stored.tag("paper-v1")
    found = stored.diff("paper-v1", "now")
    assert found.assemblies.is_empty()
    assert found.config.is_empty()
    assert found.metrics["shift"].to_list() == [0.0] * found.metrics.height
    assert found.metrics["p"].null_count() == found.metrics.height


def test_other_code_is_named_version_by_version(stored, lake, toy, tmp_path):
    file = tmp_path / "experiments" / "toy.py"
    file.write_text(file.read_text() + "\n# other code\n")
    second = lakebatch.run(lake, toy, jobs=1).assembly_id
    first = stored.assemblies()["assembly_id"][0]
    assert stored.diff(first, second).code["key"].to_list() == ["source_hash"]


def test_state_that_is_not_there_is_an_error(stored):
    with pytest.raises(UnknownNameError, match="Unknown tag 'paper-v1'"):
        stored.diff("paper-v1", "now")
    with pytest.raises(UnknownNameError, match="There is no assembly 20261123_142230_run999"):
        stored.diff("20261123_142230_run999", "now")
    assert isinstance(stored.diff(0).metrics, pl.DataFrame)
