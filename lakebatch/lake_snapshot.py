"""The experiments of a lake, all pinned at one moment."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch import damage, named_queries, notebook
from lakebatch.assembly import Status
from lakebatch.errors import ConfigError, LakebatchError, SchemaError, StorageError, UnknownNameError
from lakebatch.gaps import Gap, OnGap, report_gaps, report_mixtures
from lakebatch.hints import nearest
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
    """

    def __init__(
        self,
        moment: Moment,
        snapshots: Mapping[str, Snapshot],
        damaged: Mapping[str, LakebatchError] | None = None,
    ) -> None:
        self.moment = moment
        self.damaged = dict(damaged or {})
        self._snapshots = dict(snapshots)

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
        return {name.replace("-", "_"): snapshot for name, snapshot in self._snapshots.items()}

    def report(self, include: Collection[Status], on_gap: OnGap) -> None:
        """Warn of, refuse or ignore what the datasets lack; refuse what is damaged only where gaps are refused."""
        if on_gap == "refuse" and self.damaged:
            raise next(iter(self.damaged.values()))
        report_gaps(self.gaps(include), on_gap)
        for each in self.values():
            report_mixtures(each.mixtures(include), on_gap)

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
    ) -> pl.DataFrame:
        """Return what one SQL query answers over the views of these snapshots, see `lakebatch.sql.query`."""
        from lakebatch import sql  # duckdb is slow to import, and only SQL needs it

        return sql.query(self, text, parameters, include=include, on_gap=on_gap, also=also)

    def query(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        also: Mapping[str, LakeSnapshot] | None = None,
    ) -> pl.DataFrame:
        """Return what a named query answers, e.g. ``query("levels", {"experiment": "response-noise"})``.

        Raises
        ------
        UnknownNameError
            If there is no such query, or nothing of the experiment that it asks for.
        ConfigError
            If a parameter is unknown or missing.
        """
        query = named_queries.get(name)
        values = named_queries.fill(query, parameters or {})
        self._check_experiment(values.get("experiment"))
        return self.sql(query.text, values, include=include, on_gap=on_gap, also=also)

    def _check_experiment(self, name: str | None) -> None:
        """Raise unless there is such an experiment, since a query would answer with nothing."""
        names = {each.name for each in self.values()}
        if name is not None and name not in names:
            raise UnknownNameError(
                f"There was nothing of {name!r}, {self.moment}. {nearest(str(name), names)}"
            )

    def sql_setup(self, include: Collection[Status] = COMPLETED) -> str:
        """Return the statements that make a plain DuckDB see these snapshots, see `lakebatch.sql_text.setup`."""
        from lakebatch import sql_text

        return sql_text.setup(self, include)

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


def pin_all(experiments: Sequence[ExperimentTables], moment: Moment, *, refuse: bool = False) -> LakeSnapshot:
    """Return a snapshot of each experiment; those that had not begun, or lack the tag, are left out and named.

    So are those whose tables are damaged, with a warning, unless ``refuse`` is set or there is no other.

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
    found: dict[str, Snapshot] = {}
    damaged: dict[str, LakebatchError] = {}
    for each in experiments:
        name = each.name if count[each.name] == 1 else each.folder
        try:
            if knows(each, moment):
                found[name] = pin(each, moment)
        except (StorageError, SchemaError) as error:
            if refuse or len(experiments) == 1:
                raise
            damaged[name] = error
            damage.warn_left_out(name, error)
    known = {snapshot.folder for snapshot in found.values()}
    readable = [each for each in experiments if each.name not in damaged]
    if moment.tag is not None:
        _report_untagged(readable, known, moment.tag)
    if moment.time is not None:
        _report_not_begun(readable, known, moment)
    return LakeSnapshot(moment, found, damaged)


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
        raise ConfigError(f"Nothing was recorded by {moment}. See when it began with: lakebatch history")
    later = [each.name for each in experiments if each.folder not in known]
    if later:
        warnings.warn(
            f"Left out, since nothing of them was recorded by {moment}: {', '.join(later)}.", stacklevel=3
        )
