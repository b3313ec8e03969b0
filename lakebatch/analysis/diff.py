"""Differences between two states of an experiment, or between two of its assemblies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

import polars as pl

from lakebatch.analysis import shifts, statistics
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.metrics import DEFAULT
from lakebatch.snapshot import html as notebook
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.mixture import leaves
from lakebatch.snapshot.moment import NEWEST, parse
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.times import Time

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
    def side(self) -> shifts.Side:
        """The completed assemblies, for the comparison of their metrics."""
        return shifts.Side(self.snapshot, self.completed)


@dataclass(frozen=True)
class Difference:
    """Differences from one state to another.

    Attributes
    ----------
    before, after : str
        The names of the states.
    assemblies : frame
        One row per assembly that was added or removed, or changed its status, with its rows.
    config : frame
        One row per config key with different values.
    code : frame
        One row per different version of code, Python or a package.
    metrics : frame
        Per metric, level, feature set and model: the means, their difference (the largest of a metric first), the
        number of independent units, and a t test, see `lakebatch.analysis.shifts.Shifts`. The rows of a metric are
        one family of tests.
    test : str
        The test of the shifts, in words; empty if no shift is tested.
    untested : str
        Why no shift is tested; empty where shifts are tested.
    """

    before: str
    after: str
    assemblies: pl.DataFrame
    config: pl.DataFrame
    code: pl.DataFrame
    metrics: pl.DataFrame
    test: str = ""
    untested: str = ""

    @property
    def caption(self) -> str:
        """The test of the shifts, or why there is none."""
        return f"no test: {self.untested}" if self.untested else self.test

    def verdict(self, metric: str = DEFAULT) -> str:
        """Return one sentence on the shifts of a metric: the number of those larger than chance.

        Raises
        ------
        ConfigError
            If there is no such metric.
        """
        statistics.check_metric(metric)
        return shifts.verdict(self.metrics, metric, self.untested)

    def _repr_html_(self) -> str:
        present = self.metrics["metric"].unique(maintain_order=True).to_list()
        of_metrics = {self.verdict(name): self.metrics.filter(metric=name) for name in present}
        changes = notebook.sections(
            {
                f"From {self.before} to {self.after}: assemblies": self.assemblies,
                "Config": self.config,
                "Code and packages": self.code,
            }
        )
        caption = f"<p>{escape(self.test)}</p>" if of_metrics and self.test else ""
        return f"{changes}{caption}{notebook.sections(of_metrics)}"


def compare(
    tables: ExperimentTables, before: int | Time, after: int | Time = "now", on_gap: OnGap = "warn"
) -> Difference:
    """Return the differences between two versions, times, tags or assemblies.

    Parameters
    ----------
    before, after : int, str or date
        A version, a time, a tag, an assembly id, or ``now``.

    Raises
    ------
    DamageError
        If a file of a compared assembly cannot be read, unless ``on_gap`` is "ignore".
    """
    one, other = _side(tables, before), _side(tables, after)
    found = shifts.compare(one.side, other.side, on_gap)
    return Difference(
        one.name,
        other.name,
        _assemblies(one, other),
        _differing(_settings(one), _settings(other)),
        _differing(_code(one), _code(other)),
        found.frame,
        found.test,
        found.untested,
    )


def _side(tables: ExperimentTables, which: int | Time) -> ComparedState:
    text = str(which)
    if ASSEMBLY_ID.fullmatch(text):
        snapshot = pin(tables, NEWEST)
        return ComparedState(text, snapshot, (snapshot.assembly(text),))
    moment = parse(text)
    snapshot = pin(tables, moment)
    return ComparedState(str(moment), snapshot, tuple(snapshot.assemblies))


def _assemblies(before: ComparedState, after: ComparedState) -> pl.DataFrame:
    old = {each.assembly_id: each for each in before.assemblies}
    new = {each.assembly_id: each for each in after.assemblies}
    changed = [key for key in sorted(old.keys() | new.keys()) if _standing(old, key) != _standing(new, key)]
    rows = [
        {
            "assembly_id": key,
            "change": "added" if key not in old else "removed" if key not in new else "changed",
            "status_before": old[key].status if key in old else None,
            "status_after": new[key].status if key in new else None,
            "rows_before": old[key].rows if key in old else 0,
            "rows_after": new[key].rows if key in new else 0,
        }
        for key in changed
    ]
    return pl.DataFrame(rows, schema=ASSEMBLIES)


def _standing(assemblies: Mapping[str, Assembly], key: str) -> tuple[str, int] | None:
    return (assemblies[key].status, assemblies[key].rows) if key in assemblies else None


def _settings(side: ComparedState) -> dict[str, set[str]]:
    """Return the values of each config key in the compared assemblies."""
    return _values(dict(leaves(each.settings)) for each in side.assemblies)


def _code(side: ComparedState) -> dict[str, set[str]]:
    """Return the versions of code, Python and packages of the compared assemblies."""
    return _values(
        {"code_version": each.code_version, **dict(leaves(each.software))} for each in side.assemblies
    )


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
