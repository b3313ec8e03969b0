"""Snapshots of several experiments at one moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import polars as pl

from lakebatch import _html
from lakebatch._public import Public
from lakebatch._text import nearest
from lakebatch.assembly import versions
from lakebatch.assembly.record import Include
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import ConfigError, LakebatchError, SchemaError, StorageError, UnknownNameError, warn
from lakebatch.ids import ExperimentName
from lakebatch.snapshot import sql_names
from lakebatch.snapshot.gaps import Gap, Gaps, OnGap, report_gaps
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.pin import existed_at, not_begun, pin
from lakebatch.snapshot.selection import COMPLETED, Selection
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta import damage, omissions

OVERVIEW = {
    "experiment": pl.String(),
    "experiment_version": pl.String(),
    "version": pl.Int64(),
    "assemblies": pl.Int64(),
    "completed": pl.Int64(),
    "rows": pl.Int64(),
}


class Snapshots(Public, Mapping[str, Snapshot]):
    """Some experiments of a lake at one moment: a mapping from names to snapshots.

    The key is an experiment's name, or NAME@v1 for an experiment version that is not the newest at the moment.
    Experiments that cannot be read are left out; ``damaged`` holds the reasons.

    Parameters
    ----------
    folders : mapping
        The folder of each experiment, damaged or not, by number and experiment version.
    own_tables : mapping
        The names of the own tables of each damaged experiment.
    """

    def __init__(
        self,
        selection: Selection,
        snapshots: Mapping[str, Snapshot],
        damaged: Mapping[str, LakebatchError] | None = None,
        folders: Mapping[str, str] | None = None,
        own_tables: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.own_tables = dict(own_tables or {})
        self.selection = selection
        self.damaged = dict(damaged or {})
        self._snapshots = dict(snapshots)
        self._folders = dict(folders or {name: each.folder for name, each in snapshots.items()})

    @classmethod
    def pin(cls, experiments: Sequence[ExperimentTables], moment: Moment) -> Self:
        """Return a snapshot of each experiment; one that had not begun, or lacks the tag, is left out with a warning.

        So are experiments with damaged tables; ``damaged`` of the result holds the reasons.

        Raises
        ------
        ConfigError
            If the moment is a version and there is not exactly one experiment, or if nothing had been recorded by a
            time.
        UnknownNameError
            If no experiment has the tag.
        """
        if moment.version is not None and len(experiments) != 1:
            known = ", ".join(each.reference for each in experiments) or "none"
            raise ConfigError(
                f"A version belongs to one experiment, this lake has {len(experiments)}: {known}. "
                "Use as_of=TIME (--as-of) or tag=TAG (--tag) instead."
            )
        found: dict[str, Snapshot] = {}
        damaged: dict[str, LakebatchError] = {}
        for each in experiments:
            try:
                if existed_at(each, moment):
                    found[each.folder] = pin(each, moment)
            except (StorageError, SchemaError) as error:
                damaged[each.folder] = error
        readable = [each for each in experiments if each.folder not in damaged]
        if moment.tag is not None:
            _report_untagged(readable, found, moment.tag)
        if moment.time is not None:
            _report_not_begun(readable, found, moment)
        folders = [each.folder for each in experiments if each.folder in found or each.folder in damaged]
        names = versions.shortest(folders)
        return cls(
            Selection(moment),
            {names[folder]: each for folder, each in found.items()},
            {names[folder]: error for folder, error in damaged.items()},
            {names[folder]: folder for folder in folders},
            {names[each.folder]: _own_tables(each) for each in experiments if each.folder in damaged},
        )

    @property
    def moment(self) -> Moment:
        """The moment."""
        return self.selection.moment

    def select(self, selection: Selection) -> Self:
        """Return the same state with only the assemblies that a selection chooses, in any of the experiments.

        Raises
        ------
        LakebatchError
            If it chooses none in all experiments together.
        """
        found = {name: each.select(selection, may_be_empty=True) for name, each in self.items()}
        if selection.narrows and not any(each.last_events.height for each in found.values()):
            for each in self.values():
                each.select(selection)  # raises: it says what there is
        return type(self)(
            replace(selection, moment=self.moment), found, self.damaged, self._folders, self.own_tables
        )

    def __repr__(self) -> str:
        return _html.short(f"{type(self).__name__}({self.moment}, {list(self._snapshots)})")

    def _repr_html_(self) -> str:
        return _html.section(f"{len(self)} experiments, {self.moment}", self.overview())

    def describe(self) -> str:
        """Return what the datasets are made of, in one line: experiments, moment, and how assemblies were selected."""
        names = ", ".join(each.qualified_name for each in self.values()) or "no experiment"
        chosen = ", ".join([" or ".join(self.selection.statuses), *self.selection.criteria])
        return f"{names}, {self.moment}: {chosen}"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def overview(self) -> pl.DataFrame:
        """Return one row per experiment version: its assemblies, the completed ones, and their rows."""
        rows = [
            {
                "experiment": snapshot.name,
                "experiment_version": snapshot.experiment_version,
                "version": snapshot.version,
                "assemblies": len(snapshot.assemblies),
                "completed": len(snapshot.ids()),
                "rows": sum(each.rows for each in snapshot.assemblies if each.status in COMPLETED),
            }
            for snapshot in self.values()
        ]
        return pl.DataFrame(rows, schema=OVERVIEW)

    def __getitem__(self, name: str) -> Snapshot:
        """Return the snapshot of an experiment: NAME in its newest experiment version, NAME@v1, or a folder."""
        key, _ = self.versions_of(name)
        if key not in self._snapshots:
            raise UnknownNameError(f"{key} is left out, {self.moment}: {self.damaged[key]}")
        return self._snapshots[key]

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except LakebatchError:
            return False
        return True

    def get(self, name: str, default: Any = None) -> Any:
        """Return a snapshot as ``snapshots[name]`` does, or the default without one."""
        return self[name] if name in self else default  # noqa: SIM401 - this is get

    def __iter__(self) -> Iterator[str]:
        return iter(self._snapshots)

    def __len__(self) -> int:
        return len(self._snapshots)

    def schemas(self) -> dict[str, tuple[str, ...]]:
        """Return the schemas in SQL of each experiment, damaged or not, see `lakebatch.snapshot.sql_names`."""
        found = sql_names.schemas(self._folders.values())
        return {name: found[folder] for name, folder in self._folders.items()}

    def report_gaps(self, on_gap: OnGap) -> None:
        """Warn of the gaps of the datasets, raise, or do nothing, as ``on_gap`` says.

        Damage matters only to queries that read it, but "refuse" refuses any damaged experiment.
        """
        if on_gap == "refuse":
            self.refuse_damaged(on_gap)
        report_gaps(self.gaps(), on_gap)
        self.report_names()

    def report_names(self) -> None:
        """Warn of experiments with another name in SQL."""
        for line in sql_names.renamed(self._folders.values()):
            warn(line)

    def refuse_damaged(self, on_gap: OnGap) -> None:
        """Refuse experiments that cannot be read at all; with ``on_gap`` "ignore" only warn."""
        faults = [damage.Fault.of(error, name) for name, error in self.damaged.items()]
        if faults and on_gap != "ignore":
            raise omissions.refusal(faults)
        omissions.warn_of_faults(faults)

    def gaps(self, include: Include | None = None) -> list[Gap]:
        """Return the gaps in the datasets of the experiments."""
        return Gaps([gap for each in self._snapshots.values() for gap in each.gaps(include)])

    def renew(self) -> bool:
        """Open the newest files of all tables, which changes no row; return whether any table has newer files."""
        return True in [each.renew() for each in self.values()]  # a list, so that all are renewed

    def versions_of(self, asked: str) -> tuple[str, list[str]]:
        """Return the key of an experiment, see `lakebatch.ids.ExperimentName`, and those of its other versions.

        Raises
        ------
        UnknownNameError
            If there is none at the moment.
        """
        keys = {folder: name for name, folder in self._folders.items()}
        found = versions.find(asked, keys)
        if not found:
            raise UnknownNameError(
                f"There is no experiment {asked!r}, {self.moment}. {nearest(str(asked), self._folders)}"
            )
        name = ExperimentName.parse(found[-1]).name
        others = [key for folder, key in keys.items() if ExperimentName.parse(folder).name == name]
        return keys[found[-1]], [key for key in others if key != keys[found[-1]]]

    def qualified(self, name: str) -> str:
        """Return the name with the experiment version, as NAME@v1, of an experiment, damaged or not."""
        return versions.qualified(self._folders.values())[self._folders[name]]

    def only(self, name: str) -> Self:
        """Return the snapshot of one experiment alone."""
        return self.without([each for each in self._folders if each != name])

    def without(self, left_out: Collection[str]) -> Self:
        """Return the snapshots of the other experiments."""
        if not left_out:
            return self
        return type(self)(
            self.selection,
            {name: each for name, each in self._snapshots.items() if name not in left_out},
            {name: error for name, error in self.damaged.items() if name not in left_out},
            {name: folder for name, folder in self._folders.items() if name not in left_out},
            self.own_tables,
        )


def _own_tables(damaged: ExperimentTables) -> tuple[str, ...]:
    """Return the names of the own tables of a damaged experiment; none if its folder cannot be listed."""
    try:
        return damaged.own_tables()
    except LakebatchError:
        return ()


def _report_untagged(experiments: Sequence[ExperimentTables], known: Collection[str], tag: str) -> None:
    if not known:
        tags = {each.tag for tables in experiments for each in tables.tag_log.all()}
        raise UnknownNameError(f"Unknown tag {tag!r}. {nearest(tag, tags)}")
    without = [each.reference for each in experiments if each.folder not in known]
    if without:
        warn(f"Left out, since they have no tag {tag!r}: {', '.join(without)}.")


def _report_not_begun(
    experiments: Sequence[ExperimentTables], known: Collection[str], moment: Moment
) -> None:
    if not known:
        raise not_begun(moment, [each.log.read().rows for each in experiments])
    later = [each.reference for each in experiments if each.folder not in known]
    if later:
        warn(f"Left out, since nothing of them was recorded by {moment}: {', '.join(later)}.")
