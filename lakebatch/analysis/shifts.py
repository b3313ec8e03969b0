"""Shifts of metrics between two sets of assemblies, tested as far as their cohorts allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from lakebatch.analysis import shift_tests
from lakebatch.analysis.shift_tests import MIN_UNITS
from lakebatch.analysis.statistics import Unit
from lakebatch.assembly import metrics
from lakebatch.assembly.record import UNKNOWN_SEED, Assembly
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.selection import COMPLETED
from lakebatch.snapshot.snapshot import Snapshot

ALPHA = 0.05
"""The corrected p-value below which a shift is larger than chance."""
GROUP = ("level", "feature_set", "model")
# One fit of a group
CELL = ("cohort", "repeat")
# The columns that are the same in two fits on the same patients
SPLIT = ("seed", "n_train", "n_test")
COHORTS = {"assembly_id": pl.String(), "cohort": pl.Int64()}
PATIENTS = "samples"
# Digits of a target that are the same on every machine
DIGITS = 6
MAX_SEEDS = 3
HOLM = "p_holm is corrected for the number of rows of the metric (Holm 1979)"
OVERLAP = "corrected for their overlap (Nadeau and Bengio 2003, with the overlap counted twice to hold the error rate)"
COLUMNS: dict[str, pl.DataType] = {
    "level": pl.Float64(),
    "feature_set": pl.String(),
    "model": pl.String(),
    "metric": pl.String(),
    "before": pl.Float64(),
    "after": pl.Float64(),
    "shift": pl.Float64(),
    "units": pl.Int64(),
    "t": pl.Float64(),
    "p_holm": pl.Float64(),
}


@dataclass(frozen=True)
class Side:
    """The completed assemblies of one of two compared states."""

    snapshot: Snapshot
    assemblies: Sequence[Assembly]

    @property
    def seeds(self) -> dict[str, int]:
        """The seed of each assembly: assemblies of one seed and one config have the same cohort."""
        return {each.assembly_id: each.seed for each in self.assemblies}

    @property
    def cohorts(self) -> set[int]:
        """The different seeds."""
        return set(self.seeds.values())

    def fits(self, on_gap: OnGap) -> pl.DataFrame:
        """Return the metrics and the split of each cohort, repeat, level, feature set and model."""
        columns = ["assembly_id", "repeat", *GROUP, *SPLIT, *metrics.NAMES]
        read = self.snapshot.collected(
            COMPLETED, lambda rows: rows.select(columns), on_gap=on_gap, only=list(self.seeds)
        )
        cells = read.join(self._named, on="assembly_id").group_by(*GROUP, *CELL, *SPLIT)
        return cells.agg(pl.col(metrics.NAMES).mean())

    def patients(self) -> dict[int, set[int]]:
        """Return digests of the clean responses of each cohort, by seed, for cohorts with readable patients."""
        if self.snapshot.table(PATIENTS) is None:
            return {}
        digest = pl.struct("sample", pl.col("target").round_sig_figs(DIGITS)).hash()
        read = self.snapshot.collected(
            COMPLETED,
            lambda rows: rows.filter(pl.col("level").is_null()).select("assembly_id", digest=digest),
            table=PATIENTS,
            on_gap="ignore",  # without patients, the seed alone tells the cohort
            only=list(self.seeds),
        )
        sums = read.group_by("assembly_id").agg(pl.col("digest").sum()).join(self._named, on="assembly_id")
        found: dict[int, set[int]] = {}
        for cohort, each in sums.select("cohort", "digest").iter_rows():
            found.setdefault(cohort, set()).add(each)
        return found

    @property
    def _named(self) -> pl.DataFrame:
        return pl.DataFrame(list(self.seeds.items()), schema=COHORTS, orient="row")


@dataclass(frozen=True)
class Shifts:
    """The shifts of all metrics, with their test.

    Attributes
    ----------
    frame : frame
        Per metric, level, feature set and model: the means before and after, their difference, the largest of a
        metric first, the number of independent units, and a t test. Each metric is a family of tests.
    test : str
        The test in words; empty if no shift is tested.
    untested : str
        Why no shift is tested; empty where shifts are tested.
    """

    frame: pl.DataFrame
    test: str
    untested: str = ""


@dataclass(frozen=True)
class _Sides:
    """The fits of both sides."""

    before: pl.DataFrame
    after: pl.DataFrame

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """The fits side by side, paired by cohort, repeat, level, feature set and model."""
        return self.before.join(
            self.after, on=[*GROUP, *CELL], how="inner", nulls_equal=True, suffix="_after"
        )

    @property
    def share_splits(self) -> bool:
        """Whether paired fits were trained and tested on the same patients."""
        differs = [pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in SPLIT]
        return self.pairs.filter(pl.any_horizontal(differs)).is_empty()

    @property
    def stacked(self) -> pl.DataFrame:
        """The fits one below the other, with their side."""
        return pl.concat(
            [self.before.with_columns(side=pl.lit("before")), self.after.with_columns(side=pl.lit("after"))]
        )


def compare(before: Side, after: Side, on_gap: OnGap) -> Shifts:
    """Return the shifts of all metrics: paired where both sides share cohorts and splits, else between cohorts."""
    sides = _Sides(before.fits(on_gap), after.fits(on_gap))
    if not before.cohorts or not after.cohorts:
        return Shifts(_unpaired(sides), "", "one side has no completed assembly")
    if UNKNOWN_SEED in before.cohorts | after.cohorts:
        return Shifts(_untested(_unpaired(sides)), "", "imported assemblies have no known cohort")
    unshared = _unshared(before, after, sides)
    if not unshared:
        return _of_shared_cohorts(sides, len(before.cohorts))
    return _of_other_cohorts(sides, before, after, unshared)


def verdict(shifts: pl.DataFrame, metric: str, untested: str = "") -> str:
    """Return one sentence on the shifts of one metric."""
    frame = shifts.filter(metric=metric)
    tested = frame["p_holm"].drop_nulls()
    large = int((tested < ALPHA).sum())
    if frame.is_empty():
        return f"There is no fit with {metric} on both sides."
    if (frame["shift"] == 0.0).all():
        return f"No mean of {metric} differs (of {frame.height})."
    if tested.is_empty():
        return f"No shift of {metric} is tested (of {frame.height}): {untested or _too_few()}."
    left_out = frame.height - tested.len()
    more = f", {left_out} more are not tested" if left_out else ""
    if not large:
        return f"No shift of {metric} is larger than chance (of {tested.len()}, Holm{more})."
    verb = "shift of {} is" if large == 1 else "shifts of {} are"
    return f"{large} {verb.format(metric)} larger than chance (of {tested.len()}, p_holm < {ALPHA:g}{more})."


def _too_few() -> str:
    return f"a test needs {MIN_UNITS} independent units and the sizes of the splits"


def _unshared(before: Side, after: Side, sides: _Sides) -> str:
    """Return why fits cannot be paired; empty if both sides share cohorts and splits."""
    if before.cohorts != after.cohorts:
        return f"the cohorts differ (seeds {_listed(before.seeds)} before, {_listed(after.seeds)} after)"
    if not sides.share_splits:
        return "the train/test splits differ"
    old, new = before.patients(), after.patients()
    if any(old[cohort] != new[cohort] for cohort in old.keys() & new.keys()):
        return "the cohorts differ, though their seeds are the same"
    return ""


def _of_shared_cohorts(sides: _Sides, cohorts: int) -> Shifts:
    unit: Unit = "assembly" if cohorts >= MIN_UNITS else "split"
    frame = _sorted([_paired(sides.pairs, name, unit) for name in metrics.NAMES])
    if unit == "assembly":
        return Shifts(frame, f"paired t test over the means of {cohorts} cohorts; {HOLM}")
    within = "within this cohort" if cohorts == 1 else f"within these {cohorts} cohorts"
    test = f"paired t test over splits, {within}, {OVERLAP}; {HOLM}; no test below {MIN_UNITS} pairs"
    return Shifts(frame, test)


def _of_other_cohorts(sides: _Sides, before: Side, after: Side, unshared: str) -> Shifts:
    sizes = len(before.cohorts), len(after.cohorts)
    if min(sizes) < MIN_UNITS:
        reason = f"{unshared}, and a test needs {MIN_UNITS} cohorts per side, here {sizes[0]} and {sizes[1]}"
        return Shifts(_unpaired(sides), "", reason)
    return Shifts(
        _unpaired(sides), f"Welch's t test over the means of {sizes[0]} and {sizes[1]} cohorts; {HOLM}"
    )


def _paired(pairs: pl.DataFrame, metric: str, unit: Unit) -> pl.DataFrame:
    """Return the shifts of one metric from paired fits, with their tests."""
    value, value_after = pl.col(metric), pl.col(f"{metric}_after")
    both = pairs.drop_nulls([metric, f"{metric}_after"]).with_columns(
        assembly_id=pl.col("cohort"), value=value_after - value, overlap=pl.col("n_test") / pl.col("n_train")
    )
    means = both.group_by(GROUP).agg(before=value.mean(), after=value_after.mean())
    tests = shift_tests.paired(both, GROUP, unit=unit)
    return _with_shift(means.join(tests, on=GROUP, nulls_equal=True), metric)


def _unpaired(sides: _Sides) -> pl.DataFrame:
    """Return the shifts of all metrics between means over cohorts, with their tests."""
    return _sorted(
        [
            _with_shift(
                shift_tests.unpaired(sides.stacked.drop_nulls(name).with_columns(value=name), GROUP),
                name,
            )
            for name in metrics.NAMES
        ]
    )


def _untested(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("t", "p_holm"))


def _listed(seeds: Mapping[str, int]) -> str:
    known = [str(each) for each in sorted(set(seeds.values()))]
    return ", ".join([*known[:MAX_SEEDS], *(["..."] if len(known) > MAX_SEEDS else [])]) or "none"


def _with_shift(found: pl.DataFrame, metric: str) -> pl.DataFrame:
    shift = (pl.col("after") - pl.col("before")).alias("shift")
    return found.with_columns(shift, metric=pl.lit(metric)).select(*COLUMNS).cast(pl.Schema(COLUMNS))


def _sorted(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the shifts of all metrics, the largest of each metric first."""
    return pl.concat(
        [each.sort(pl.col("shift").abs(), *GROUP, descending=[True, False, False, False]) for each in tables]
    )
