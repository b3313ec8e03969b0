"""Snapshots of several experiments at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Self

import polars as pl

from lakebatch._text import nearest
from lakebatch.assembly.record import Status
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import ConfigError, LakebatchError, SchemaError, StorageError, UnknownNameError, warn
from lakebatch.ids import RESERVED
from lakebatch.snapshot import html as notebook
from lakebatch.snapshot.gaps import Gap, OnGap, report_gaps
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.pin import existed_at, pin
from lakebatch.snapshot.selection import Selection
from lakebatch.snapshot.snapshot import COMPLETED, Snapshot
from lakebatch.storage.delta import damage, omissions

OVERVIEW = {
    "experiment": pl.String(),
    "version": pl.Int64(),
    "assemblies": pl.Int64(),
    "completed": pl.Int64(),
    "rows": pl.Int64(),
}


class Snapshots(Mapping[str, Snapshot]):
    """Some experiments of a lake at one moment: a mapping from names to snapshots.

    The key is an experiment's name, or its folder when several versions share the name. Experiments that cannot
    be read are left out; ``damaged`` holds the reasons.

    Parameters
    ----------
    folders : mapping
        The folder of each experiment, damaged or not, by number and version.
    """

    def __init__(
        self,
        selection: Selection,
        snapshots: Mapping[str, Snapshot],
        damaged: Mapping[str, LakebatchError] | None = None,
        folders: Mapping[str, str] | None = None,
    ) -> None:
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
            names = ", ".join(each.name for each in experiments) or "none"
            raise ConfigError(
                f"A version belongs to one experiment, this lake has {len(experiments)}: {names}. "
                "Use as_of (--as-of TIME) or tag (--tag TAG) instead."
            )
        count = Counter(each.name for each in experiments)
        folders: dict[str, str] = {}
        found: dict[str, Snapshot] = {}
        damaged: dict[str, LakebatchError] = {}
        for each in experiments:
            name = each.name if count[each.name] == 1 else each.folder
            try:
                if not existed_at(each, moment):
                    continue
                found[name] = pin(each, moment)
            except (StorageError, SchemaError) as error:
                damaged[name] = error
            folders[name] = each.folder
        known = {snapshot.folder for snapshot in found.values()}
        readable = [each for each in experiments if each.name not in damaged]
        if moment.tag is not None:
            _report_untagged(readable, known, moment.tag)
        if moment.time is not None:
            _report_not_begun(readable, known, moment)
        return cls(Selection(moment), found, damaged, folders)

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
        return type(self)(replace(selection, moment=self.moment), found, self.damaged, self._folders)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.moment}, {list(self._snapshots)})"

    def _repr_html_(self) -> str:
        return notebook.section(f"{len(self)} experiments, {self.moment}", self.overview())

    def describe(self) -> str:
        """Return what the datasets are made of, in one line: experiments, moment, and how assemblies were selected."""
        names = ", ".join(each.full_name for each in self.values()) or "no experiment"
        chosen = ", ".join([" or ".join(self.selection.statuses), *self.selection.criteria])
        return f"{names}, {self.moment}: {chosen}"

    def overview(self) -> pl.DataFrame:
        """Return one row per experiment: its assemblies, the completed ones, and their rows."""
        rows = [
            {
                "experiment": name,
                "version": snapshot.version,
                "assemblies": len(snapshot.assemblies),
                "completed": len(snapshot.ids()),
                "rows": sum(each.rows for each in snapshot.assemblies if each.status in COMPLETED),
            }
            for name, snapshot in self.items()
        ]
        return pl.DataFrame(rows, schema=OVERVIEW)

    def __getitem__(self, name: str) -> Snapshot:
        if name not in self._snapshots:
            raise UnknownNameError(
                f"There is no experiment {name!r}, {self.moment}. {nearest(name, self._snapshots)}"
            )
        return self._snapshots[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._snapshots)

    def __len__(self) -> int:
        return len(self._snapshots)

    def schemas(self) -> dict[str, Snapshot]:
        """Return each snapshot by its schema in SQL."""
        return {self._schema(name): snapshot for name, snapshot in self._snapshots.items()}

    def damaged_schemas(self) -> dict[str, LakebatchError]:
        """Return why each unreadable experiment is left out, by its schema in SQL."""
        return {self._schema(name): error for name, error in self.damaged.items()}

    def folders(self) -> dict[str, str]:
        """Return the folder of each experiment, damaged or not, by its schema in SQL."""
        return {self._schema(name): folder for name, folder in self._folders.items()}

    def _schema(self, name: str) -> str:
        """Return the schema of an experiment in SQL: its name, or its folder if the name is reserved."""
        return (self._folders[name] if name in RESERVED else name).replace("-", "_")

    def report(self, on_gap: OnGap) -> None:
        """Warn of the gaps of the datasets, raise, or do nothing, as ``on_gap`` says.

        Damage matters only to queries that read it, but "refuse" refuses any damaged experiment.
        """
        if on_gap == "refuse":
            self.refuse_damaged(on_gap)
        report_gaps(self.gaps(), on_gap)
        self.report_names()

    def report_names(self) -> None:
        """Warn of experiments with another name in SQL."""
        for name in sorted(RESERVED & self._folders.keys()):
            warn(f'Experiment {name!r} is called "{self._schema(name)}" in SQL, where its name is reserved.')

    def refuse_damaged(self, on_gap: OnGap) -> None:
        """Refuse experiments that cannot be read at all; with ``on_gap`` "ignore" only warn."""
        faults = [damage.Fault.of(error, name) for name, error in self.damaged.items()]
        if faults and on_gap != "ignore":
            raise omissions.refusal(faults)
        omissions.warn_of_faults(faults)

    def gaps(self, include: Collection[Status] | None = None) -> list[Gap]:
        """Return the gaps in the datasets of the experiments."""
        return [gap for each in self._snapshots.values() for gap in each.gaps(include)]

    def renew(self) -> bool:
        """Open the newest files of all tables, which changes no row; return whether any table has newer files."""
        return True in [each.renew() for each in self.values()]  # a list, so that all are renewed

    def folder(self, name: str) -> str:
        """Return the folder of an experiment, damaged or not."""
        return self._folders[name]

    def versions_of(self, asked: str) -> tuple[str, list[str]]:
        """Return the experiment of a name or folder, the newest version of a name, and its other versions."""
        names = {name: folder.split("_", 2)[2] for name, folder in self._folders.items()}
        found = [name for name, folder in self._folders.items() if asked in (names[name], folder)]
        if not found:
            raise UnknownNameError(
                f"There is no experiment {asked!r}, {self.moment}. {nearest(asked, set(names.values()))}"
            )
        chosen = found[-1]
        return chosen, [name for name in names if name != chosen and names[name] == names[chosen]]

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
        )


def _report_untagged(experiments: Sequence[ExperimentTables], known: Collection[str], tag: str) -> None:
    if not known:
        tags = {each.tag for tables in experiments for each in tables.tag_log.all()}
        raise UnknownNameError(f"Unknown tag {tag!r}. {nearest(tag, tags)}")
    without = [each.name for each in experiments if each.folder not in known]
    if without:
        warn(f"Left out, since they have no tag {tag!r}: {', '.join(without)}.")


def _report_not_begun(
    experiments: Sequence[ExperimentTables], known: Collection[str], moment: Moment
) -> None:
    if not known:
        raise ConfigError(f"Nothing was recorded by {moment}. See when it began with: lakebatch status")
    later = [each.name for each in experiments if each.folder not in known]
    if later:
        warn(f"Left out, since nothing of them was recorded by {moment}: {', '.join(later)}.")
