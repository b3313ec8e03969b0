"""Differences between two states of an experiment, or between two of its assemblies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import polars as pl

from lakebatch.analysis import statistics
from lakebatch.assembly import metrics
from lakebatch.assembly.record import UNKNOWN_SEED, Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.snapshot import html as notebook
from lakebatch.snapshot import source_diff
from lakebatch.snapshot.changes import HASH_CHARACTERS
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.mixture import leaves
from lakebatch.snapshot.moment import NEWEST
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import COMPLETED, Snapshot
from lakebatch.snapshot.states import state
from lakebatch.snapshot.times import Time

NOTABLE = 0.01
"""The corrected p-value below which a notebook shows a shift."""
GROUP = ("level", "feature_set", "model")
# One fit of a group
CELL = ("cohort", "repeat")
# The columns that are the same in two fits on the same patients
SPLIT = ("seed", "n_train", "n_test")
COHORTS = {"assembly_id": pl.String(), "cohort": pl.Int64()}
MAX_SEEDS = 3
TEST = (
    "paired t test over splits, corrected for their overlap (Nadeau and Bengio 2003); p_holm is corrected for the number "
    f"of rows of the metric (Holm 1979); no test below {statistics.MIN_PAIRS} pairs"
)
"""The test of the shifts, in words."""
METRICS: dict[str, pl.DataType] = {
    "level": pl.Float64(),
    "feature_set": pl.String(),
    "model": pl.String(),
    "metric": pl.String(),
    "pairs": pl.Int64(),
    "before": pl.Float64(),
    "after": pl.Float64(),
    "shift": pl.Float64(),
    "t": pl.Float64(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),
}
ASSEMBLIES: dict[str, pl.DataType] = {
    "assembly_id": pl.String(),
    "change": pl.String(),
    "status_before": pl.String(),
    "status_after": pl.String(),
    "rows_before": pl.Int64(),
    "rows_after": pl.Int64(),
}
SETTINGS: dict[str, pl.DataType] = {"key": pl.String(), "before": pl.String(), "after": pl.String()}


@dataclass(frozen=True)
class ComparedState:
    """One of two compared states: a snapshot and its compared assemblies."""

    name: str
    snapshot: Snapshot
    assemblies: tuple[Assembly, ...]

    @property
    def completed(self) -> list[Assembly]:
        """The completed assemblies: the rows of these are compared."""
        return [each for each in self.assemblies if each.status == "completed"]

    @property
    def seeds(self) -> dict[str, int]:
        """The seed of each assembly whose rows are compared: assemblies of one seed have the same cohort."""
        return {each.assembly_id: each.seed for each in self.completed}

    def means(self, on_gap: OnGap) -> pl.DataFrame:
        """Return the mean of each metric per level, feature set and model."""
        return self._collected(lambda rows: rows.group_by(GROUP).agg(pl.col(metrics.NAMES).mean()), on_gap)

    def splits(self, on_gap: OnGap) -> pl.DataFrame:
        """Return the metrics and the split of each cohort, repeat, level, feature set and model."""
        columns = ["assembly_id", "repeat", *GROUP, *SPLIT, *metrics.NAMES]
        fits = self._collected(lambda rows: rows.select(columns), on_gap)
        cohorts = pl.DataFrame(list(self.seeds.items()), schema=COHORTS, orient="row")
        cells = fits.join(cohorts, on="assembly_id").group_by(*GROUP, *CELL, *SPLIT)
        return cells.agg(pl.col(metrics.NAMES).mean())

    def _collected(self, chosen: Callable[[pl.LazyFrame], pl.LazyFrame], on_gap: OnGap) -> pl.DataFrame:
        return self.snapshot.collected(COMPLETED, chosen, on_gap=on_gap, only=list(self.seeds))


@dataclass(frozen=True)
class Difference:
    """Differences from one state to another.

    Attributes
    ----------
    before, after : str
        The names of the states.
    assemblies : frame
        One row per assembly that was added or removed, or changed its status, with its rows; of two experiment
        versions, each assembly is ``only before`` or ``only after``.
    config : frame
        One row per config key with different values.
    code : frame
        One row per different version of code, Python or a package.
    metrics : frame
        Per metric, level, feature set and model: the means, their difference (the largest of a metric first), and a
        t test over the splits that both sides have in common, see `lakebatch.analysis.statistics.shifts`.
    untested : str
        Why no shift is tested; empty where shifts are tested.
    source : str
        A unified diff from the source of the newest assembly of one state to that of the other; empty if it is the same.
    """

    before: str
    after: str
    assemblies: pl.DataFrame
    config: pl.DataFrame
    code: pl.DataFrame
    metrics: pl.DataFrame
    untested: str = ""
    source: str = ""

    @property
    def caption(self) -> str:
        """The test of the shifts, or why there is none."""
        return f"no test: {self.untested}" if self.untested else TEST

    def _repr_html_(self) -> str:
        shifts = self.metrics if self.untested else self.metrics.filter(pl.col("p_holm") < NOTABLE)
        choice = "" if self.untested else f" that shifted, p_holm < {NOTABLE:g} (of {self.metrics.height})"
        source = f"<p><strong>Source</strong></p><pre>{escape(self.source)}</pre>" if self.source else ""
        return source + notebook.sections(
            {
                f"From {self.before} to {self.after}: assemblies": self.assemblies,
                "Config": self.config,
                "Code and packages": self.code,
                f"Metrics{choice}, {self.caption}": shifts,
            }
        )


def compare(
    tables: ExperimentTables, before: int | Time, after: int | Time = "now", on_gap: OnGap = "warn"
) -> Difference:
    """Return the differences between two states, experiment versions or assemblies.

    Parameters
    ----------
    before, after : int, str or date
        A version, a time, a tag, an experiment version (``v1``), an assembly id, or ``now``.

    Raises
    ------
    DamageError
        If a file of a compared assembly cannot be read, unless ``on_gap`` is "ignore".
    """
    one, other = _side(tables, before), _side(tables, after)
    shifts, untested = _metrics(one, other, on_gap)
    return Difference(
        one.name,
        other.name,
        _assemblies(one, other),
        _differing(_settings(one), _settings(other)),
        _differing(_code(one), _code(other)),
        shifts,
        untested,
        _source(one, other),
    )


def _side(tables: ExperimentTables, which: int | Time) -> ComparedState:
    text = str(which)
    if ASSEMBLY_ID.fullmatch(text):
        snapshot = pin(tables, NEWEST)
        return ComparedState(text, snapshot, (snapshot.assembly(text),))
    snapshot = state(tables, which)
    is_version = not snapshot.moment.is_past and text.strip() != "now"
    name = snapshot.qualified_name if is_version else str(snapshot.moment)
    return ComparedState(name, snapshot, tuple(snapshot.assemblies))


def _assemblies(before: ComparedState, after: ComparedState) -> pl.DataFrame:
    old = {each.assembly_id: each for each in before.assemblies}
    new = {each.assembly_id: each for each in after.assemblies}
    if before.snapshot.folder != after.snapshot.folder:  # an id is unique within an experiment version only
        rows = [_change(key, "only before", old, {}) for key in sorted(old)]
        rows += [_change(key, "only after", {}, new) for key in sorted(new)]
        return pl.DataFrame(rows, schema=ASSEMBLIES)
    changed = [key for key in sorted(old.keys() | new.keys()) if _standing(old, key) != _standing(new, key)]
    kinds = {
        key: "added" if key not in old else "removed" if key not in new else "changed" for key in changed
    }
    return pl.DataFrame([_change(key, kind, old, new) for key, kind in kinds.items()], schema=ASSEMBLIES)


def _change(
    key: str, kind: str, old: Mapping[str, Assembly], new: Mapping[str, Assembly]
) -> dict[str, str | int | None]:
    return {
        "assembly_id": key,
        "change": kind,
        "status_before": old[key].status if key in old else None,
        "status_after": new[key].status if key in new else None,
        "rows_before": old[key].rows if key in old else 0,
        "rows_after": new[key].rows if key in new else 0,
    }


def _standing(assemblies: Mapping[str, Assembly], key: str) -> tuple[str, int] | None:
    return (assemblies[key].status, assemblies[key].rows) if key in assemblies else None


def _settings(side: ComparedState) -> dict[str, set[str]]:
    """Return the values of each config key in the compared assemblies."""
    return _values(dict(leaves(each.settings)) for each in side.assemblies)


def _code(side: ComparedState) -> dict[str, set[str]]:
    """Return the versions of code, Python and packages of the compared assemblies."""
    return _values(_versions(each) for each in side.assemblies)


def _versions(assembly: Assembly) -> dict[str, str]:
    known = dict(leaves(assembly.software))
    return known | {name: known[name][:HASH_CHARACTERS] for name in (SOURCE_HASH,) if name in known}


def _source(before: ComparedState, after: ComparedState) -> str:
    """Return the differences between the sources of the newest assemblies of two states."""
    newest = [next(iter(reversed(_computed(each))), None) for each in (before, after)]
    old, new = newest
    if old is None or new is None:
        return ""
    return source_diff.between_assemblies(old, before.snapshot.source_files, new, after.snapshot.source_files)


def _computed(side: ComparedState) -> list[Assembly]:
    return [each for each in side.assemblies if SOURCE_HASH in each.surroundings]


def _values(trees: Iterable[dict[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for tree in trees:
        for key, value in tree.items():
            found.setdefault(key, set()).add(value)
    return found


def _differing(before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> pl.DataFrame:
    rows = [
        {"key": key, "before": _joined(before.get(key)), "after": _joined(after.get(key))}
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return pl.DataFrame(rows, schema=SETTINGS)


def _joined(values: set[str] | None) -> str | None:
    return None if values is None else " | ".join(sorted(values))


def _metrics(before: ComparedState, after: ComparedState, on_gap: OnGap) -> tuple[pl.DataFrame, str]:
    """Return the shifts of all metrics and, where they cannot be tested, why."""
    old, new = before.seeds, after.seeds
    if UNKNOWN_SEED in (*old.values(), *new.values()):
        return _untested(
            before.means(on_gap), after.means(on_gap)
        ), "imported assemblies have no known cohort"
    if set(old.values()) != set(new.values()):
        reason = f"the cohorts differ (seeds {_listed(old)} before, {_listed(new)} after)"
        return _untested(before.means(on_gap), after.means(on_gap)), reason
    pairs = _paired(before.splits(on_gap), after.splits(on_gap))
    if not pairs.filter(pl.any_horizontal(_differs(name) for name in SPLIT)).is_empty():
        return _untested(before.means(on_gap), after.means(on_gap)), "the train/test splits differ"
    return _sorted([_tested(pairs, name) for name in metrics.NAMES]), ""


def _listed(seeds: Mapping[str, int]) -> str:
    known = [str(each) for each in sorted(set(seeds.values()))]
    return ", ".join([*known[:MAX_SEEDS], *(["..."] if len(known) > MAX_SEEDS else [])]) or "none"


def _differs(name: str) -> pl.Expr:
    return pl.col(name).ne_missing(pl.col(f"{name}_after"))


def _paired(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return the fits of two states side by side, paired by cohort, repeat, level, feature set and model."""
    return before.join(after, on=[*GROUP, *CELL], how="inner", nulls_equal=True, suffix="_after")


def _tested(pairs: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return the shifts of one metric with their tests."""
    value, value_after = pl.col(metric), pl.col(f"{metric}_after")
    both = pairs.drop_nulls([metric, f"{metric}_after"]).with_columns(
        assembly_id=pl.col("cohort"), value=value_after - value, overlap=pl.col("n_test") / pl.col("n_train")
    )
    means = both.group_by(GROUP).agg(before=value.mean(), after=value_after.mean())
    tests = statistics.shifts(both, GROUP).rename({"units": "pairs", "p_value": "p"})
    return _with_shift(means.join(tests, on=GROUP, nulls_equal=True), metric)


def _untested(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return the shifts of the means of all metrics, without pairs and tests."""
    both = before.join(after, on=GROUP, how="inner", nulls_equal=True, suffix="_after")
    return _sorted(
        [
            _with_shift(
                both.select(
                    *GROUP, before=name, after=f"{name}_after", pairs=0, t=None, p=None, p_holm=None
                ).drop_nulls(["before", "after"]),
                name,
            )
            for name in metrics.NAMES
        ]
    )


def _with_shift(found: pl.DataFrame, metric: str) -> pl.DataFrame:
    shift = (pl.col("after") - pl.col("before")).alias("shift")
    return found.with_columns(shift, metric=pl.lit(metric)).select(*METRICS).cast(pl.Schema(METRICS))


def _sorted(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the shifts of all metrics, the largest of each metric first."""
    return pl.concat(
        [each.sort(pl.col("shift").abs(), *GROUP, descending=[True, False, False, False]) for each in tables]
    )
