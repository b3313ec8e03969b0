"""Shifts of metrics between two sets of assemblies, tested as far as their cohorts allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from lakebatch.analysis import shift_tests
from lakebatch.analysis.data import as_text
from lakebatch.analysis.shift_tests import MIN_UNITS
from lakebatch.analysis.statistics import Unit
from lakebatch.analysis.wording import Words, free, without_clashes, words
from lakebatch.assembly.metrics import Roles
from lakebatch.assembly.record import UNKNOWN_SEED, Assembly
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.selection import COMPLETED
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.schema import TYPES

ALPHA = 0.05
"""The corrected p-value below which a shift is larger than chance."""
# One fit of a group
CELL = ("cohort", "repeat")
# The columns that are the same in two fits on the same patients
SPLIT = ("seed", "n_train", "n_test")
COHORTS = {"assembly_id": pl.String(), "cohort": pl.Int64()}
PATIENTS = "samples"
# Digits of a target that are the same on every machine
DIGITS = 6
MAX_SEEDS = 3
COHORTS_AND_FITS = Words()
HOLM = "p_holm is corrected for the number of rows of the metric (Holm 1979)"
OVERLAP = "corrected for their overlap (Nadeau and Bengio 2003, with the overlap counted twice to hold the error rate)"
COLUMNS: dict[str, pl.DataType] = {
    "metric": pl.String(),
    "before": pl.Float64(),
    "after": pl.Float64(),
    "shift": pl.Float64(),
    "units": pl.Int64(),
    "t": pl.Float64(),
    "p_holm": pl.Float64(),
}
"""The columns of shifts, after those of the axis and the groups."""


@dataclass(frozen=True)
class Side:
    """The completed assemblies of one of two compared states.

    Attributes
    ----------
    roles : Roles
        The metrics, the axis and the groups that are compared, those of the later state.
    """

    snapshot: Snapshot
    assemblies: Sequence[Assembly]
    roles: Roles

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
        keys, names = [self.roles.axis.name, *self.roles.groups], self.roles.names
        columns = dict.fromkeys(["assembly_id", "repeat", *keys, *SPLIT, *names])
        read = self.snapshot.collected(
            COMPLETED,
            lambda rows: rows.select(_present(rows, columns, self.roles)),
            on_gap=on_gap,
            only=list(self.seeds),
        )
        texts = [each for each in self.roles.groups if read.schema[each] != pl.String]
        named = read.with_columns(as_text(read[name]) for name in texts).join(self._named, on="assembly_id")
        cells = named.rename({name: free(name) for name in keys})
        by = dict.fromkeys([*map(free, keys), *CELL, *SPLIT])
        return cells.group_by(*by).agg(pl.col(names).mean())

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
    words : Words
        The nouns of the experiment.
    """

    frame: pl.DataFrame
    test: str
    untested: str = ""
    words: Words = COHORTS_AND_FITS


@dataclass(frozen=True)
class _Sides:
    """The fits of both sides."""

    before: pl.DataFrame
    after: pl.DataFrame
    roles: Roles

    @property
    def group(self) -> list[str]:
        """The axis and the groups."""
        free_of_clashes = without_clashes(self.roles)
        return [free_of_clashes.axis.name, *(free(each) for each in self.roles.groups)]

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """The fits side by side, paired by cohort, repeat, level, feature set and model."""
        keys = list(dict.fromkeys([*self.group, *CELL]))
        return self.before.join(self.after, on=keys, how="inner", nulls_equal=True, suffix="_after")

    @property
    def words(self) -> Words:
        """The nouns of the experiment."""
        sizes = pl.concat([self.before["n_train"], self.after["n_train"]])
        return words(self.roles, has_splits=sizes.null_count() < len(sizes))

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
    sides = _Sides(before.fits(on_gap), after.fits(on_gap), after.roles)
    noun = sides.words.cohort
    if not before.cohorts or not after.cohorts:
        return Shifts(_unpaired(sides), "", "one side has no completed assembly")
    if UNKNOWN_SEED in before.cohorts | after.cohorts:
        return Shifts(_untested(_unpaired(sides)), "", f"imported assemblies have no known {noun}")
    unshared = _unshared(before, after, sides)
    if not unshared:
        return _of_shared_cohorts(sides, len(before.cohorts))
    return _of_other_cohorts(sides, before, after, unshared)


def verdict(shifts: pl.DataFrame, metric: str, untested: str = "", words: Words = COHORTS_AND_FITS) -> str:
    """Return one sentence on the shifts of one metric."""
    frame = shifts.filter(metric=metric)
    tested = frame["p_holm"].drop_nulls()
    large = int((tested < ALPHA).sum())
    if frame.is_empty():
        return f"There is no {words.row} with {metric} on both sides."
    if (frame["shift"] == 0.0).all():
        return f"No mean of {metric} differs (of {frame.height})."
    if tested.is_empty():
        return f"No shift of {metric} is tested (of {frame.height}): {untested or _too_few(words)}."
    left_out = frame.height - tested.len()
    more = f", {left_out} more are not tested" if left_out else ""
    if not large:
        return f"No shift of {metric} is larger than chance (of {tested.len()}, Holm{more})."
    verb = "shift of {} is" if large == 1 else "shifts of {} are"
    return f"{large} {verb.format(metric)} larger than chance (of {tested.len()}, p_holm < {ALPHA:g}{more})."


def _too_few(words: Words) -> str:
    if words.unit == "repeat":
        return f"a test needs {MIN_UNITS} independent repeats, told apart by the column 'repeat'"
    return f"a test needs {MIN_UNITS} independent units and the sizes of the splits"


def _unshared(before: Side, after: Side, sides: _Sides) -> str:
    """Return why fits cannot be paired; empty if both sides share cohorts and splits."""
    if before.cohorts != after.cohorts:
        if sides.words.cohort == "seed":
            return f"the seeds differ ({_listed(before.seeds)} before, {_listed(after.seeds)} after)"
        return f"the cohorts differ (seeds {_listed(before.seeds)} before, {_listed(after.seeds)} after)"
    if not sides.share_splits:
        return "the train/test splits differ"
    old, new = before.patients(), after.patients()
    if any(old[cohort] != new[cohort] for cohort in old.keys() & new.keys()):
        return "the cohorts differ, though their seeds are the same"
    return ""


def _of_shared_cohorts(sides: _Sides, cohorts: int) -> Shifts:
    unit: Unit = "assembly" if cohorts >= MIN_UNITS else "split"
    frame = _sorted(sides, [_paired(sides, name, unit) for name in sides.roles.names])
    nouns = sides.words
    if unit == "assembly":
        return Shifts(
            frame, f"paired t test over the means of {cohorts} {nouns.cohort}s; {HOLM}", words=nouns
        )
    within = f"within this {nouns.cohort}" if cohorts == 1 else f"within these {cohorts} {nouns.cohort}s"
    overlap = "" if nouns.unit == "repeat" else f", {OVERLAP}"
    test = f"paired t test over {nouns.unit}s, {within}{overlap}; {HOLM}; no test below {MIN_UNITS} pairs"
    return Shifts(frame, test, words=nouns)


def _of_other_cohorts(sides: _Sides, before: Side, after: Side, unshared: str) -> Shifts:
    sizes, nouns = (len(before.cohorts), len(after.cohorts)), sides.words
    counts = f"{sizes[0]} and {sizes[1]}"
    if min(sizes) < MIN_UNITS:
        reason = f"{unshared}, and a test needs {MIN_UNITS} {nouns.cohort}s per side, here {counts}"
        return Shifts(_unpaired(sides), "", reason, nouns)
    test = f"Welch's t test over the means of {counts} {nouns.cohort}s; {HOLM}"
    return Shifts(_unpaired(sides), test, words=nouns)


def _paired(sides: _Sides, metric: str, unit: Unit) -> pl.DataFrame:
    """Return the shifts of one metric from paired fits, with their tests."""
    value, value_after, group = pl.col(metric), pl.col(f"{metric}_after"), sides.group
    overlap = pl.col("n_test") / pl.col("n_train")
    both = sides.pairs.drop_nulls([metric, f"{metric}_after"]).with_columns(
        assembly_id=pl.col("cohort"),
        value=value_after - value,
        overlap=pl.lit(0.0) if sides.words.unit == "repeat" else overlap,
    )
    means = both.group_by(group).agg(before=value.mean(), after=value_after.mean())
    tests = shift_tests.paired(both, group, unit=unit)
    return _with_shift(sides, means.join(tests, on=group, nulls_equal=True), metric)


def _unpaired(sides: _Sides) -> pl.DataFrame:
    """Return the shifts of all metrics between means over cohorts, with their tests."""
    values = {name: sides.stacked.drop_nulls(name).with_columns(value=name) for name in sides.roles.names}
    return _sorted(
        sides,
        [_with_shift(sides, shift_tests.unpaired(each, sides.group), name) for name, each in values.items()],
    )


def _untested(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("t", "p_holm"))


def _listed(seeds: Mapping[str, int]) -> str:
    known = [str(each) for each in sorted(set(seeds.values()))]
    return ", ".join([*known[:MAX_SEEDS], *(["..."] if len(known) > MAX_SEEDS else [])]) or "none"


def _with_shift(sides: _Sides, found: pl.DataFrame, metric: str) -> pl.DataFrame:
    shift = (pl.col("after") - pl.col("before")).alias("shift")
    columns = {name: sides.after.schema[name] for name in sides.group} | COLUMNS
    return found.with_columns(shift, metric=pl.lit(metric)).select(*columns).cast(pl.Schema(columns))


def _sorted(sides: _Sides, tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the shifts of all metrics, the largest of each metric first."""
    descending = [True, *(False for _ in sides.group)]
    return pl.concat(
        [each.sort(pl.col("shift").abs(), *sides.group, descending=descending) for each in tables]
    )


def _present(rows: pl.LazyFrame, columns: Iterable[str], roles: Roles) -> list[pl.Expr]:
    """Return some columns of rows; NULL for those that the rows of an earlier state lack."""
    known = rows.collect_schema().names()
    types = {roles.axis.name: TYPES[roles.axis.type]} | dict.fromkeys(roles.names, pl.Float64())
    return [
        pl.col(name) if name in known else pl.lit(None, types.get(name, pl.String())).alias(name)
        for name in columns
    ]
