"""The experiments of a lake, all pinned at one moment."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch import damage, mixture, named_queries, notebook
from lakebatch.assembly import Status
from lakebatch.errors import ConfigError, LakebatchError, SchemaError, StorageError, UnknownNameError
from lakebatch.gaps import Gap, OnGap, report_gaps
from lakebatch.hints import nearest
from lakebatch.ids import RESERVED
from lakebatch.moment import Moment
from lakebatch.pinning import knows, pin
from lakebatch.snapshot import COMPLETED, Snapshot
from lakebatch.tables import ExperimentTables

if TYPE_CHECKING:
    import duckdb


OVERVIEW = {
    "experiment": pl.String(),
    "version": pl.Int64(),
    "assemblies": pl.Int64(),
    "completed": pl.Int64(),
    "rows": pl.Int64(),
}


class LakeSnapshot(Mapping[str, Snapshot]):
    """Some experiments of a lake, pinned at one moment; a mapping from their names to their snapshots.

    An experiment whose name is that of another version too is found by its folder. Those that cannot be
    read are left out, and stand in ``damaged`` with the reason.

    Parameters
    ----------
    folders : mapping
        The folder of each experiment, damaged or not, in the order of their numbers and versions.
    """

    def __init__(
        self,
        moment: Moment,
        snapshots: Mapping[str, Snapshot],
        damaged: Mapping[str, LakebatchError] | None = None,
        folders: Mapping[str, str] | None = None,
    ) -> None:
        self.moment = moment
        self.damaged = dict(damaged or {})
        self._snapshots = dict(snapshots)
        self._folders = dict(folders or {name: each.folder for name, each in snapshots.items()})

    def __repr__(self) -> str:
        return f"LakeSnapshot({self.moment}, {list(self._snapshots)})"

    def _repr_html_(self) -> str:
        return notebook.section(f"{len(self)} experiments, {self.moment}", self.overview())

    def overview(self) -> pl.DataFrame:
        """Return one row per experiment: how many assemblies it had, how many were completed, their rows."""
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
                f"There was nothing of {name!r}, {self.moment}. {nearest(name, self._snapshots)}"
            )
        return self._snapshots[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._snapshots)

    def __len__(self) -> int:
        return len(self._snapshots)

    def schemas(self) -> dict[str, Snapshot]:
        """Return each snapshot by what its experiment is called in SQL."""
        return {self._schema(name): snapshot for name, snapshot in self._snapshots.items()}

    def damaged_schemas(self) -> dict[str, LakebatchError]:
        """Return why each experiment that cannot be read is left out, by what it is called in SQL."""
        return {self._schema(name): error for name, error in self.damaged.items()}

    def folders(self) -> dict[str, str]:
        """Return the folder of each experiment, damaged or not, by what it is called in SQL."""
        return {self._schema(name): folder for name, folder in self._folders.items()}

    def _schema(self, name: str) -> str:
        """Return what an experiment is called in SQL: its folder, where its name means something else there."""
        return (self._folders[name] if name in RESERVED else name).replace("-", "_")

    def report(self, include: Collection[Status], on_gap: OnGap) -> None:
        """Warn of, refuse or ignore what the datasets lack.

        Of what is damaged, a query counts what it reads; but where gaps are refused, there is to be nothing.
        """
        if on_gap == "refuse":
            self.refuse_damaged(on_gap)
        report_gaps(self.gaps(include), on_gap)
        self.report_names()

    def report_names(self) -> None:
        """Warn of experiments that have another name in SQL."""
        for name in sorted(RESERVED & self._folders.keys()):
            warnings.warn(
                f'Experiment {name!r} is called "{self._schema(name)}" in SQL, where its name means something else.',
                stacklevel=4,
            )

    def refuse_damaged(self, on_gap: OnGap) -> None:
        """Refuse, or with ``on_gap`` "ignore" warn of, experiments that cannot be read at all."""
        faults = [damage.Fault.of(error, name) for name, error in self.damaged.items()]
        if faults and on_gap != "ignore":
            raise damage.refused(faults)
        damage.warn_of(faults)

    def gaps(self, include: Collection[Status] = COMPLETED) -> list[Gap]:
        """Return what the datasets of the experiments lack."""
        return [gap for each in self._snapshots.values() for gap in each.gaps(include)]

    def renew(self) -> bool:
        """Open all tables again, which changes no row; whether any has newer files."""
        return True in [each.renew() for each in self.values()]  # all of them

    def sql(
        self,
        text: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        also: Mapping[str, LakeSnapshot] | None = None,
        timeout: float | None = None,
        memory_limit: str | None = None,
    ) -> pl.DataFrame:
        """Return what one SQL query answers over the views of these snapshots, see `lakebatch.sql.query`.

        Parameters
        ----------
        timeout : float, s
            How long it may take; without one, as long as it takes.
        memory_limit : str
            How much memory it may use, e.g. ``4GB``; half of the machine's, or its container's, without one.
        """
        from lakebatch import sql  # duckdb is slow to import, and only SQL needs it

        limits = sql.limits(timeout, memory_limit)
        return sql.query(self, text, parameters, include=include, on_gap=on_gap, also=also, limits=limits)

    def query(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        also: Mapping[str, LakeSnapshot] | None = None,
        timeout: float | None = None,
        memory_limit: str | None = None,
    ) -> pl.DataFrame:
        """Return what a named query answers, e.g. ``query("levels", {"experiment": "response-noise"})``.

        Raises
        ------
        UnknownNameError
            If there is no such query, or nothing of the experiment that it asks for.
        ConfigError
            If a parameter is unknown or missing.
        """
        chosen, text, values = self.for_query(name, parameters or {}, on_gap)
        return chosen.sql(
            text,
            values,
            include=include,
            on_gap=on_gap,
            also=also,
            timeout=timeout,
            memory_limit=memory_limit,
        )

    def for_query(
        self, name: str, parameters: Mapping[str, Any], on_gap: OnGap
    ) -> tuple[LakeSnapshot, str, dict[str, Any]]:
        """Return the snapshots that a named query is asked of, its text, and its parameters with their defaults.

        These are of one version of the experiment that it asks for: the newest, or that of a folder's name.
        """
        query = named_queries.get(name)
        values = named_queries.fill(query, parameters)
        if values.get("experiment") is None:
            return self, query.text, values
        chosen, others = self._versions(str(values["experiment"]))
        left_out = [self._folders[each] for each in others if values["experiment"] != self._folders[chosen]]
        mixture.report(mixture.of_versions(values["experiment"], self._folders[chosen], left_out), on_gap)
        values["experiment"] = self._folders[chosen].split("_", 2)[2]
        return self._only(chosen) if query.is_built_in else self._without(others), query.text, values

    def _versions(self, asked: str) -> tuple[str, list[str]]:
        """Return which experiment is asked for, by its name or folder, and its other versions."""
        names = {name: folder.split("_", 2)[2] for name, folder in self._folders.items()}
        found = [name for name, folder in self._folders.items() if asked in (names[name], folder)]
        if not found:
            raise UnknownNameError(
                f"There was nothing of {asked!r}, {self.moment}. {nearest(asked, set(names.values()))}"
            )
        chosen = found[-1]
        return chosen, [name for name in names if name != chosen and names[name] == names[chosen]]

    def _only(self, name: str) -> LakeSnapshot:
        return self._without([each for each in self._folders if each != name])

    def _without(self, left_out: Collection[str]) -> LakeSnapshot:
        """Return the others of these snapshots."""
        if not left_out:
            return self
        return LakeSnapshot(
            self.moment,
            {name: each for name, each in self._snapshots.items() if name not in left_out},
            {name: error for name, error in self.damaged.items() if name not in left_out},
            {name: folder for name, folder in self._folders.items() if name not in left_out},
        )

    def sql_setup(self, include: Collection[Status] = COMPLETED, on_gap: OnGap = "warn") -> str:
        """Return the statements that make a plain DuckDB see these snapshots, see `lakebatch.sql_text.setup`."""
        from lakebatch import sql_text

        return sql_text.setup(self, include, on_gap)

    def connect(
        self,
        *,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        also: Mapping[str, LakeSnapshot] | None = None,
    ) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection of one's own in which every table is a view, see `lakebatch.sql.connect`."""
        from lakebatch import sql  # duckdb is slow to import, and only SQL needs it

        return sql.connect(self, include=include, on_gap=on_gap, also=also)


def pin_all(experiments: Sequence[ExperimentTables], moment: Moment) -> LakeSnapshot:
    """Return a snapshot of each experiment; those that had not begun, or lack the tag, are left out and named.

    So are those whose tables are damaged; they stand in what is returned, with the reason.

    Raises
    ------
    ConfigError
        If a version is meant and there is not just one experiment, whose version it would be; or if nothing had
        been recorded by a time.
    UnknownNameError
        If a tag is meant that no experiment has.
    """
    if moment.version is not None and len(experiments) != 1:
        names = ", ".join(each.name for each in experiments) or "none"
        raise ConfigError(
            f"A version is that of one experiment, this lake has {len(experiments)}: {names}. "
            "Use as_of (--as-of TIME) or tag (--tag TAG) instead."
        )
    count = Counter(each.name for each in experiments)
    folders: dict[str, str] = {}
    found: dict[str, Snapshot] = {}
    damaged: dict[str, LakebatchError] = {}
    for each in experiments:
        name = each.name if count[each.name] == 1 else each.folder
        try:
            if not knows(each, moment):
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
    return LakeSnapshot(moment, found, damaged, folders)


def _report_untagged(experiments: Sequence[ExperimentTables], known: Collection[str], tag: str) -> None:
    if not known:
        tags = {each.tag for tables in experiments for each in tables.tag_log.all()}
        raise UnknownNameError(f"Unknown tag {tag!r}. {nearest(tag, tags)}")
    without = [each.name for each in experiments if each.folder not in known]
    if without:
        warnings.warn(f"Left out, since they have no tag {tag!r}: {', '.join(without)}.", stacklevel=3)


def _report_not_begun(
    experiments: Sequence[ExperimentTables], known: Collection[str], moment: Moment
) -> None:
    if not known:
        raise ConfigError(f"Nothing was recorded by {moment}. See when it began with: lakebatch status")
    later = [each.name for each in experiments if each.folder not in known]
    if later:
        warnings.warn(
            f"Left out, since nothing of them was recorded by {moment}: {', '.join(later)}.", stacklevel=3
        )
