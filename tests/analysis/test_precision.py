"""The rule that stops replicates: conditions, precision of groups, and the coverage of its intervals."""

import numpy as np
import polars as pl
import pytest
from rule_coverage import coverage_of_plain_rule, coverage_of_rule, running, standard, stop
from scipy import stats

from lakebatch.analysis import condition, precision
from lakebatch.assembly.metrics import Axis, Roles
from lakebatch.errors import ConfigError, UnknownNameError

ROLES = Roles()
N_RUNS, N_MAX = 2000, 180
MONTE_CARLO = 3 * np.sqrt(0.95 * 0.05 / N_RUNS)


@pytest.mark.parametrize("kind", ["normal", "uniform", "gamma", "skewed"])
@pytest.mark.parametrize("needed", [5, 20, 50])
def test_interval_of_the_rule_covers_with_95_percent(kind, needed):
    """``needed`` is the number of replicates that would do if the spread were known."""
    values = standard(kind, np.random.default_rng([needed, len(kind)]), (N_RUNS, N_MAX))
    covered, replicates = coverage_of_rule(values, 1.96 / np.sqrt(needed))
    assert covered >= 0.95 - MONTE_CARLO
    assert replicates <= 2.5 * max(needed, precision.MIN_REPLICATES)


def test_plain_rule_does_not_cover():
    """What the correction is for; if this fails, the simulation above shows nothing."""
    rng = np.random.default_rng(1)
    target = 1.96 / np.sqrt(20)
    assert coverage_of_plain_rule(standard("normal", rng, (N_RUNS, N_MAX)), target)[0] < 0.90
    assert coverage_of_plain_rule(standard("skewed", rng, (N_RUNS, N_MAX)), target)[0] < 0.80


def test_interval_of_each_group_covers_where_all_have_to_be_narrow():
    """Coverage holds for each group, also for the one that all others wait for."""
    rng = np.random.default_rng(2)
    spreads = np.array([0.5, 1.0, 1.0, 1.2])
    shared = rng.standard_normal((1, N_RUNS, N_MAX))
    values = (0.6 * shared + 0.8 * rng.standard_normal((4, N_RUNS, N_MAX))) * spreads[:, None, None]
    found = [running(each) for each in values]
    n = found[0][0]
    half = np.stack(
        [error * precision.critical_value(np.maximum(n, 2), skewness) for _, _, error, skewness in found]
    )
    last = stop(half.max(axis=0), 1.96 / np.sqrt(20), precision.MIN_REPLICATES)
    runs = np.arange(N_RUNS)
    means = np.stack([mean for _, mean, _, _ in found])
    covered = (np.abs(means[:, runs, last]) <= half[:, runs, last]).mean(axis=1)
    assert covered.min() >= 0.95 - MONTE_CARLO


@pytest.mark.parametrize("seed", range(3))
def test_rule_stops_where_the_simulation_does(seed):
    values = standard("skewed", np.random.default_rng(seed), (1, 80))
    asked = condition.parse("halfwidth(r2) < 0.9")
    n, _, error, skewness = running(values)
    half = error * precision.critical_value(np.maximum(n, 2), skewness)
    expected = int(n[stop(half, asked.bound, precision.MIN_REPLICATES)][0])
    frame = means([(f"a{i}", "ridge", value) for i, value in enumerate(values[0])])
    narrow = [
        count
        for count in range(1, 80)
        if precision.narrow_enough(precision.precisions(frame[:count], asked, ROLES, {}), asked)
    ]
    assert narrow[0] == expected


def means(rows):
    """Return means by assembly, of one level and one feature set."""
    frame = pl.DataFrame(
        rows, schema=["assembly_id", "model", "value"], orient="row", infer_schema_length=None
    )
    return frame.with_columns(level=0.5, feature_set=pl.lit("last"), value=pl.col("value").cast(pl.Float64))


def test_precision_is_that_of_assembly_means():
    rows = pl.LazyFrame(
        {
            "assembly_id": ["a", "a", "b", "b", "b"],
            "level": [0.5] * 5,
            "feature_set": ["last"] * 5,
            "model": ["ridge"] * 5,
            "r2": [0.2, 0.4, 0.6, None, 0.6],
        }
    )
    found = precision.unit_means(rows, "r2", ROLES).collect().sort("assembly_id")
    assert found["value"].round(6).to_list() == [0.3, 0.6]
    (group,) = precision.precisions(found, condition.parse("ci(r2) < 1"), ROLES, {})
    assert (group.label, group.n) == ("last/ridge at level 0.5", 2)
    error = np.std([0.3, 0.6], ddof=1) / np.sqrt(2)
    assert group.half == pytest.approx(float(precision.critical_value(2)) * error)
    assert group.value == pytest.approx(2 * group.half)


def test_measures_belong_together():
    frame = means([(f"a{i}", "ridge", value) for i, value in enumerate([1.0, 2.0, 4.0, 5.0])])
    value = {}
    for text in ("ci(r2) < 1", "halfwidth(r2) < 1", "sem(r2) < 1", "ci(r2) < 1%"):
        (value[text],) = (
            each.value for each in precision.precisions(frame, condition.parse(text), ROLES, {})
        )
    assert value["ci(r2) < 1"] == pytest.approx(2 * value["halfwidth(r2) < 1"])
    assert value["halfwidth(r2) < 1"] == pytest.approx(stats.t.ppf(0.975, 3) * value["sem(r2) < 1"])
    assert value["ci(r2) < 1%"] == pytest.approx(value["ci(r2) < 1"] / 3.0)


def test_missing_values_do_not_count_and_are_named():
    rows = [(f"a{i}", "ridge", None if i < 3 else 0.1 * i) for i in range(12)]
    asked = condition.parse("ci(r2) < 100")
    found = precision.precisions(means(rows), asked, ROLES, {})
    assert found[0].n == 9
    assert not precision.narrow_enough(found, asked)
    assert precision.lacking(found, asked, 12) == "3 of 12 replicates lack r2 of last/ridge at level 0.5"


def test_equal_values_are_narrow_and_named():
    found = precision.precisions(
        means([(f"a{i}", "ridge", 0.1) for i in range(10)]),
        asked := condition.parse("ci(r2) < 1%"),
        ROLES,
        {},
    )
    assert precision.narrow_enough(found, asked)
    assert precision.without_spread(found) == "no spread between replicates of last/ridge at level 0.5"


def test_group_chooses_by_text_and_by_number():
    rows = [(f"a{i}", model, float(i)) for i in range(3) for model in ("ridge", "lasso")]
    asked = condition.parse("ci(r2) < 1")
    for text in ("model=ridge", "level=0.50,model=ridge"):
        (found,) = precision.precisions(means(rows), asked, ROLES, condition.parse_group(text))
        assert found.label == "last/ridge at level 0.5"
    with pytest.raises(
        ConfigError, match=r"No group has model=rigde\. Groups: last/lasso at level 0.5; last/ridge"
    ):
        precision.precisions(means(rows), asked, ROLES, {"model": "rigde"})


def test_condition_and_group_are_checked_against_the_results():
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'r3'\. Known: "):
        precision.check(condition.parse("ci(r3) < 1"), {}, ROLES)
    own = Roles(axis=Axis("points", "points"), groups=("method",))
    with pytest.raises(ConfigError, match=r"'model' tells no groups apart\. Expected one of: points, method"):
        precision.check(condition.parse("ci(r2) < 1"), {"model": "ridge"}, own)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "The condition is ''. Expected a measure"),
        ("ci pearson_r < 1", "Expected a measure of a metric and its upper bound"),
        ("ci(pearson_r) > 1", "Expected a measure of a metric and its upper bound"),
        ("ci(pearson_r) < 1 or sem(r2) < 1", "Expected a measure of a metric and its upper bound"),
        ("width(r2) < 1", "Unknown measure 'width'"),
        ("ci(r2) < 0", "is '0'. Expected a number above 0"),
        ("ci(r2) < -1", "is '-1'. Expected a number above 0"),
        ("ci(r2) < inf", "is 'inf'. Expected a number above 0"),
        ("ci(r2) < nan", "is 'nan'. Expected a number above 0"),
        ("ci(r2) < narrow", "is 'narrow'. Expected a number above 0"),
        (3, "The condition is 3. Expected"),
    ],
)
def test_wrong_condition_is_one_line(text, why):
    with pytest.raises(ConfigError) as caught:
        condition.parse(text)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "model", "model=", "=ridge", "model=a,model=b", "model=a,,level=0"])
def test_wrong_group_is_one_line(text):
    with pytest.raises(ConfigError, match="Expected columns with one value each"):
        condition.parse_group(text)
