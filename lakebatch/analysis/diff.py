"""Differences between two states of an experiment, or between two of its assemblies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

import polars as pl

from lakebatch import _html
from lakebatch.analysis import shifts
from lakebatch.analysis.wording import Words
from lakebatch.assembly.metrics import Roles
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import ConfigError
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.ids import ASSEMBLY_ID, NAME
from lakebatch.snapshot import source_diff
from lakebatch.snapshot.changes import HASH_CHARACTERS
from lakebatch.snapshot.gaps import Gap, OnGap, report_gaps
from lakebatch.snapshot.mixture import key_texts
from lakebatch.snapshot.moment import NEWEST
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.selection import COMPLETED, Selection
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.states import state
from lakebatch.snapshot.times import Time

EVERYTHING = Selection()
ASSEMBLIES: dict[str, pl.DataType] = {
    "assembly_id": pl.String(),
    "change": pl.String(),
    "status_before": pl.String(),
    "status_after": pl.String(),
    "rows_before": pl.Int64(),
    "rows_after": pl.Int64(),
    "name": pl.String(),
    "started_from": pl.String(),
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

    def side(self, roles: Roles) -> shifts.Side:
        """Return the completed assemblies, for the comparison of their metrics."""
        return shifts.Side(self.snapshot, self.completed, roles)


@dataclass(frozen=True, repr=False)
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
        Per metric, level, feature set and model: the means, their difference (the largest of a metric first), the
        number of independent units, and a t test, see `lakebatch.analysis.shifts.Shifts`. The rows of a metric are
        one family of tests.
    test : str
        The test of the shifts, in words; empty if no shift is tested.
    untested : str
        Why no shift is tested; empty where shifts are tested.
    source : str
        A unified diff from the source of the newest assembly of one state to that of the other; empty if it is the same.
    roles : Roles
        The metrics, the axis and the groups that are compared.
    words : Words
        The nouns of the experiment.
    """

    before: str
    after: str
    assemblies: pl.DataFrame
    config: pl.DataFrame
    code: pl.DataFrame
    metrics: pl.DataFrame
    test: str = ""
    untested: str = ""
    source: str = ""
    roles: Roles = field(default_factory=Roles, repr=False)
    words: Words = field(default_factory=Words, repr=False)

    @property
    def caption(self) -> str:
        """The test of the shifts, or why there is none."""
        return f"no test: {self.untested}" if self.untested else self.test

    def verdict(self, metric: str | None = None) -> str:
        """Return one sentence on the shifts of a metric, by default the default one: the number larger than chance.

        Raises
        ------
        UnknownNameError
            If there is no such metric.
        """
        return shifts.verdict(self.metrics, self.roles.metric(metric).name, self.untested, self.words)

    def __repr__(self) -> str:
        counts = f"{self.assemblies.height} assemblies, {self.config.height} config keys, {self.code.height} of code"
        return _html.short(
            f"<Difference from {self.before} to {self.after}: {counts} differ; {self._verdict()}>"
        )

    def _verdict(self) -> str:
        return self.verdict() if self.metrics.height else "no metrics are compared"

    def _repr_html_(self) -> str:
        present = self.metrics["metric"].unique(maintain_order=True).to_list()
        first = {self.verdict(name): self.metrics.filter(metric=name).drop("metric") for name in present[:1]}
        others = "".join(f"<p>{escape(self.verdict(name))}</p>" for name in present[1:])
        source = _html.folded("Source", self.source) if self.source else ""
        changes = source + _html.sections(
            {
                f"From {self.before} to {self.after}: assemblies": self.assemblies,
                "Config": self.config,
                "Code and packages": self.code,
            }
        )
        caption = f"<p>{escape(self.test)}</p>" if first and self.test else ""
        all_rows = _html.ways("The shifts of all metrics", [".metrics"]) if first else ""
        return f"{changes}{caption}{_html.sections(first)}{others}{all_rows}"


def compare(
    tables: ExperimentTables,
    before: int | Time,
    after: int | Time = "now",
    on_gap: OnGap = "warn",
    selection: Selection = EVERYTHING,
) -> Difference:
    """Return the differences between two states, experiment versions or assemblies.

    Parameters
    ----------
    before, after : int, str or date
        A version, a time, a tag, an experiment version (``v1``), the id or name of an assembly, or ``now``.
    selection : Selection
        The configs of the assemblies to compare. One side may have none of them.

    Raises
    ------
    LakebatchError
        If no side has a selected assembly.
    DamageError
        If a file of a compared assembly cannot be read, unless ``on_gap`` is "ignore".
    """
    one, other = _side(tables, before, selection), _side(tables, after, selection)
    if selection.narrows and not (one.assemblies or other.assemblies):
        pin(tables, NEWEST).select(selection)  # raises: it says what there is
    report_gaps([*_purged(one), *_purged(other)], on_gap)
    roles = (other if other.completed else one).snapshot.roles
    found = shifts.compare(one.side(roles), other.side(roles), on_gap)
    return Difference(
        one.name,
        other.name,
        _assemblies(one, other),
        _differing(_settings(one), _settings(other)),
        _differing(_code(one), _code(other)),
        found.frame,
        found.test,
        found.untested,
        _source(one, other),
        roles,
        found.words,
    )


def _side(tables: ExperimentTables, which: int | Time, selection: Selection) -> ComparedState:
    text = str(which)
    if ASSEMBLY_ID.fullmatch(text) or _is_name(tables, text):
        snapshot = pin(tables, NEWEST)
        return ComparedState(text, snapshot, (snapshot.assembly(text),))
    snapshot = state(tables, which).select(selection, may_be_empty=True)
    is_version = not snapshot.moment.is_past and text.strip() != "now"
    name = snapshot.qualified_name if is_version else str(snapshot.moment)
    return ComparedState(name, snapshot, tuple(snapshot.assemblies))


def _is_name(tables: ExperimentTables, text: str) -> bool:
    """Whether a text is the name of an assembly.

    Raises
    ------
    ConfigError
        If it is a tag too.
    """
    if not NAME.fullmatch(text) or text not in [each.name for each in tables.log.latest()]:
        return False
    if any(each.tag == text for each in tables.tag_log.all()):
        raise ConfigError(f"{text!r} is the name of an assembly and a tag. Give the id of the assembly.")
    return True


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
    known = new[key] if key in new else old[key]
    return {
        "assembly_id": key,
        "change": kind,
        "status_before": old[key].status if key in old else None,
        "status_after": new[key].status if key in new else None,
        "rows_before": old[key].rows if key in old else 0,
        "rows_after": new[key].rows if key in new else 0,
        "name": known.name,
        "started_from": known.started_from,
    }


def _standing(assemblies: Mapping[str, Assembly], key: str) -> tuple[str, int] | None:
    return (assemblies[key].status, assemblies[key].rows) if key in assemblies else None


def _purged(side: ComparedState) -> list[Gap]:
    """Return the assemblies of a side whose rows were purged, as gaps."""
    purges = side.snapshot.tables.purges
    compared = [each for each in side.assemblies if each.status in COMPLETED or each.assembly_id == side.name]
    return [
        Gap(each.assembly_id, str(purges[each.assembly_id]))
        for each in compared
        if each.assembly_id in purges
    ]


def _settings(side: ComparedState) -> dict[str, set[str]]:
    """Return the values of each config key in the compared assemblies."""
    return _values(key_texts(each.settings) for each in side.assemblies)


def _code(side: ComparedState) -> dict[str, set[str]]:
    """Return the versions of code, Python and packages of the compared assemblies."""
    return _values(_versions(each) for each in side.assemblies)


def _versions(assembly: Assembly) -> dict[str, str]:
    known = key_texts(assembly.software)
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
