"""Differences between two states or two assemblies."""

import contextlib
import json
import shutil
from html import escape

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from scipy import stats

import lakebatch
from lakebatch.analysis.statistics import holm
from lakebatch.assembly.sources import KeptFile
from lakebatch.cli.main import main
from lakebatch.errors import UnknownNameError
from lakebatch.snapshot import source_diff


def test_diff_of_versions_names_assemblies_config_and_code(stored, run):
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


def test_replicates_of_other_cohorts_show_means_and_no_test(stored, run, lake, toy):
    first, second = stored.assemblies()["assembly_id"][0], run().assembly_id
    found = stored.diff(first, second)
    rows = stored.reassemble()
    (shift,) = found.metrics.filter(level=0.1, metric="mse").rows(named=True)
    old, new = (rows.filter(assembly_id=each, level=0.1)["mse"].mean() for each in (first, second))
    assert shift["before"] == pytest.approx(old)
    assert shift["shift"] == pytest.approx(new - old)
    assert found.metrics["units"].to_list() == [1] * found.metrics.height
    assert found.metrics.select("t", "p_holm").null_count().row(0) == (found.metrics.height,) * 2
    seeds = [stored.snapshot().assembly(each).seed for each in (first, second)]
    assert found.untested == (
        f"the cohorts differ (seeds {seeds[0]} before, {seeds[1]} after), "
        "and a test needs 5 cohorts per side, here 1 and 1"
    )
    assert found.verdict("mse") == f"No shift of mse is tested (of 3): {found.untested}."
    assert found.caption == f"no test: {found.untested}"
    assert found.verdict("mse") in found._repr_html_()
    done = CliRunner().invoke(
        main, ["--lake", lake.storage.uri, "diff", toy, first, second, "--metric", "mse"]
    )
    assert f"metrics: {found.verdict('mse')}" in done.output


@pytest.fixture
def rerun(lake, toy, tmp_path):
    """Return a function that runs the toy with more repeats and one seed, after a change of its file."""
    return rerunning(lake, tmp_path)


def rerunning(lake, folder):
    file = folder / "experiments" / "toy.py"
    text = file.read_text().replace(
        '"repeat": [repeat],', '"repeat": [repeat], "n_train": [80], "n_test": [20],'
    )

    def run(old="", new="", repeats=8, seed=5):
        changed = text.replace("N_REPEATS = 3", f"N_REPEATS = {repeats}")
        file.write_text(changed.replace(old, new) if old else changed)
        return lakebatch.run(lake, "toy", jobs=1, seed=seed).assembly_id

    return run


NOISE = ("float(rng.normal()) ** 2", "float(rng.normal()) ** 2 + (level + 1) * float(rng.random())")


def test_shifts_of_one_cohort_are_corrected_for_overlap_counted_twice(stored, rerun):
    first, second = rerun(), rerun(*NOISE)
    found = stored.diff(first, second)
    assert found.untested == ""
    rows = stored.reassemble(on_mix="ignore").sort("level", "repeat")
    old, new = (rows.filter(assembly_id=each) for each in (first, second))
    shifts = found.metrics.filter(metric="mse").sort("level")
    p_values = []
    for level, row in zip((0.0, 0.1, 0.2), shifts.rows(named=True), strict=True):
        shift = (new.filter(level=level)["mse"] - old.filter(level=level)["mse"]).to_numpy()
        t = shift.mean() / (shift.std(ddof=1) * np.sqrt(1 / 8 + 2 * 20 / 80))
        p_values.append(2 * stats.t.sf(abs(t), 7))
        assert row["units"] == 8
        assert (row["shift"], row["t"]) == pytest.approx((shift.mean(), t))
        assert p_values[-1] > stats.ttest_1samp(shift, 0).pvalue
    assert "within this cohort" in found.test
    assert shifts["p_holm"].to_list() == pytest.approx(holm(pl.Series(p_values)).to_list())


def test_largest_shift_of_a_metric_comes_first(stored, rerun):
    shifts = stored.diff(rerun(), rerun(*NOISE)).metrics
    assert shifts["metric"].unique(maintain_order=True).to_list() == ["r2", "mse"]
    sizes = shifts.filter(metric="mse")["shift"].abs().to_list()
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("repeats", "tested"), [(4, False), (5, True)])
def test_shift_is_tested_from_five_pairs_on(stored, rerun, repeats, tested):
    shifts = stored.diff(rerun(repeats=repeats), rerun(*NOISE, repeats=repeats)).metrics.filter(metric="mse")
    assert shifts["units"].to_list() == [repeats] * 3
    assert shifts["p_holm"].is_not_null().to_list() == [tested] * 3


def states(stored, rerun, seeds, other_seeds, change, repeats=8):
    """Return the versions after runs of some seeds, and after these are replaced by runs with changed code."""
    for seed in seeds:
        rerun(seed=seed, repeats=repeats)
    before = stored.snapshot().version
    for each in stored.assemblies().filter(status="completed")["assembly_id"]:
        stored.discard(each, "older code")
    for seed in other_seeds:
        rerun(*change, seed=seed, repeats=repeats)
    return before, stored.snapshot().version


@pytest.fixture(scope="module")
def five_cohorts(toy_folder, tmp_path_factory):
    """Return a folder whose lake has five runs, replaced by runs of the same seeds with changed code; to be read only.

    Also return the versions before and after, of all five and of the first four.
    """
    folder = shutil.copytree(toy_folder(()), tmp_path_factory.mktemp("cohorts"), dirs_exist_ok=True)
    with contextlib.chdir(folder):
        lake = lakebatch.open_lake(folder / "lake")
        stored, rerun = lake["toy"], rerunning(lake, folder)

        def version_after(seed, *change):
            rerun(*change, seed=seed)
            return stored.snapshot().version

        stored.discard(stored.assemblies()["assembly_id"][0], "another cohort")
        before = {seed: version_after(seed) for seed in range(1, 6)}
        for each in stored.assemblies().filter(status="completed")["assembly_id"]:
            stored.discard(each, "older code")
        after = {seed: version_after(seed, *NOISE) for seed in range(1, 6)}
    return folder, {count: (before[count], after[count]) for count in (4, 5)}


def cohort_means(stored, level):
    """Return the mean squared error of each cohort before and after."""
    rows = stored.reassemble(include=["completed", "discarded"], on_gap="ignore", on_mix="ignore").filter(
        n_test=20, level=level
    )
    means = rows.group_by("assembly_id").agg(pl.col("mse").mean())
    named = means.join(stored.assemblies().select("assembly_id", "seed", "status"), on="assembly_id").sort(
        "seed"
    )
    return named.filter(status="discarded")["mse"], named.filter(status="completed")["mse"]


LARGE = ("float(rng.normal()) ** 2", "float(rng.normal()) ** 2 + 40 * level")


@pytest.fixture
def alone(stored):
    """Discard the first run, whose cohort is another."""
    stored.discard(stored.assemblies()["assembly_id"][0], "another cohort")


def test_five_shared_cohorts_are_paired_by_their_means(five_cohorts, monkeypatch):
    folder, versions = five_cohorts
    monkeypatch.chdir(folder)
    stored = lakebatch.open_lake("lake")["toy"]
    found = stored.diff(*versions[5])
    assert found.test.startswith("paired t test over the means of 5 cohorts")
    old, new = cohort_means(stored, 0.1)
    (row,) = found.metrics.filter(metric="mse", level=0.1).rows(named=True)
    assert (row["units"], row["t"]) == (5, pytest.approx(stats.ttest_rel(new, old).statistic))


def test_four_shared_cohorts_are_tested_within_them(five_cohorts, monkeypatch):
    folder, versions = five_cohorts
    monkeypatch.chdir(folder)
    found = lakebatch.open_lake("lake")["toy"].diff(*versions[4])
    assert "paired t test over splits, within these 4 cohorts, corrected for their overlap" in found.test
    assert found.metrics.filter(metric="mse")["units"].to_list() == [32] * 3


@pytest.mark.usefixtures("alone")
def test_different_cohorts_are_compared_by_the_test_of_welch(stored, rerun, lake, toy):
    before, after = states(stored, rerun, range(1, 6), range(11, 17), LARGE, repeats=3)
    found = stored.diff(before, after)
    assert found.test.startswith("Welch's t test over the means of 5 and 6 cohorts")
    old, new = cohort_means(stored, 0.2)
    (row,) = found.metrics.filter(metric="mse", level=0.2).rows(named=True)
    assert (row["units"], row["t"]) == (
        5,
        pytest.approx(stats.ttest_ind(new, old, equal_var=False).statistic),
    )
    line = "2 shifts of mse are larger than chance (of 3, p_holm < 0.05)."
    assert found.verdict("mse") == line
    assert escape(line) in found._repr_html_()
    assert escape(found.test) in found._repr_html_()
    done = CliRunner().invoke(
        main, ["--lake", lake.storage.uri, "diff", toy, str(before), str(after), "--metric", "mse"]
    )
    assert f"metrics: {line}\n({found.test})" in done.output


def test_other_patients_of_one_seed_are_not_paired(lake, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    small = ["cohort.n_samples=12", "levels=[0]", "evaluation.n_reps=2", 'evaluation.models=["linear_regression"]',
             'evaluation.feature_sets=["initial"]']  # fmt: skip
    first, again, other = (
        lakebatch.run(
            lake, "response-noise", jobs=1, seed=3, settings=[*small, f"spec.n_regs={each}"]
        ).assembly_id
        for each in (2, 2, 3)
    )
    stored = lake["response-noise"]
    assert stored.diff(first, again).untested == ""
    assert stored.diff(first, other).untested.startswith(
        "the cohorts differ, though their seeds are the same"
    )


def test_unknown_metric_has_no_verdict(stored):
    with pytest.raises(UnknownNameError, match="Unknown metric 'r3'"):
        stored.diff("now", "now").verdict("r3")


def test_fits_on_different_splits_are_not_paired(stored, rerun):
    first, second = rerun(), rerun('"n_test": [20]', '"n_test": [40]')
    found = stored.diff(first, second)
    assert found.untested.startswith("the train/test splits differ, and a test needs 5 cohorts per side")
    assert found.metrics["p_holm"].null_count() == found.metrics.height > 0


def test_diff_of_a_state_with_itself_is_empty(stored):
    stored.tag("paper-v1")
    found = stored.diff("paper-v1", "now")
    assert found.assemblies.is_empty()
    assert found.config.is_empty()
    assert found.metrics["shift"].to_list() == [0.0] * found.metrics.height
    assert found.metrics["p_holm"].null_count() == found.metrics.height
    assert found.verdict("mse") == "No mean of mse differs (of 3)."


def test_changed_code_is_named_version_by_version(stored, lake, toy, tmp_path):
    file = tmp_path / "experiments" / "toy.py"
    file.write_text(file.read_text() + "\n# other code\n")
    second = lakebatch.run(lake, toy, jobs=1).assembly_id
    first = stored.assemblies()["assembly_id"][0]
    found = stored.diff(first, second)
    ((key, before, after),) = found.code.rows()
    assert (key, len(before), len(after)) == ("source_hash", 12, 12)
    assert found.source.splitlines()[:2] == [f"--- toy.py\t{first}", f"+++ toy.py\t{second}"]
    assert found.source.splitlines()[-2:] == ["+", "+# other code"]
    assert "+# other code" in found._repr_html_()
    assert stored.diff(first, first).source == ""
    done = CliRunner().invoke(main, ["--lake", "lake", "diff", toy, first, second])
    assert "\nsource:\n--- toy.py" in done.stdout
    assert "\n+# other code\n" in done.stdout
    printed = CliRunner().invoke(main, ["--lake", "lake", "diff", toy, first, second, "--format", "json"])
    assert json.loads(printed.stdout)["source"] == found.source


def test_files_of_one_side_and_files_without_text_are_named_in_a_source_diff():
    before = {"a.py": KeptFile("1", "x = 1\n"), "b.py": KeptFile("2", None), "c.py": KeptFile("3", "a\nb\n")}
    after = {"b.py": KeptFile("4", None), "c.py": KeptFile("5", "a\r\nb\r\n"), "d.py": KeptFile("6", "y = 2")}
    found = source_diff.between("old", before, "new", after, names=("run001", "run002"))
    assert found.splitlines() == [
        "--- a.py\trun001",
        "+++ /dev/null",
        "@@ -1 +0,0 @@",
        "-x = 1",
        "b.py differs; it was too large to keep",
        "c.py differs in line ends or withheld text alone",
        "--- /dev/null",
        "+++ d.py\trun002",
        "@@ -0,0 +1 @@",
        "+y = 2",
    ]


def test_missing_state_is_an_error(stored):
    with pytest.raises(UnknownNameError, match="Unknown tag 'paper-v1'"):
        stored.diff("paper-v1", "now")
    with pytest.raises(UnknownNameError, match="There is no assembly 20261123_142230_run999"):
        stored.diff("20261123_142230_run999", "now")
    assert isinstance(stored.diff(0).metrics, pl.DataFrame)
    assert stored.diff(0, 0).metrics.is_empty()
