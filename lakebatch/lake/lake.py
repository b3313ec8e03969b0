"""A lake: experiments in a folder or on S3, each a few Delta tables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import polars as pl

from lakebatch import _html
from lakebatch._public import Public, readable
from lakebatch._text import hint
from lakebatch.assembly import versions
from lakebatch.errors import ConfigError, SchemaError, StorageError, UnknownNameError, warn
from lakebatch.experiment import registry
from lakebatch.ids import FOLDER, ExperimentName
from lakebatch.lake.arguments import (
    LakeQueryArguments,
    LakeViewArguments,
    SelectionArguments,
    of_query,
    selection_of,
    split,
    takes,
)
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.maintenance import usage, vacuum
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.selection import Selection
from lakebatch.snapshot.sweeps import SWEEP_COLUMNS
from lakebatch.storage import Storage, locate
from lakebatch.storage.delta import omissions
from lakebatch.storage.delta.table_cache import TableCache

if TYPE_CHECKING:
    import duckdb

    from lakebatch.publication.importing import Imported

Default = TypeVar("Default")
EXAMPLE = "response-noise"


class Lake(Public):
    """A place that holds experiments: a folder or a prefix on S3."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._table_cache = TableCache()

    def __repr__(self) -> str:
        return f"Lake({self.storage.uri!r})"

    def _repr_html_(self) -> str:
        return _html.section(str(self.storage.uri), self.snapshot().overview())

    def __iter__(self) -> Iterator[StoredExperiment]:
        return iter(self.experiments())

    def __len__(self) -> int:
        return len(self.experiments())

    def __bool__(self) -> bool:
        return True  # also a lake without experiments is one, and not like None

    def __contains__(self, asked: object) -> bool:
        """Whether the lake has an experiment, by name, by folder name, or as a `StoredExperiment`."""
        if isinstance(asked, StoredExperiment):
            return asked.storage.uri == self.storage.uri and asked.folder in self
        try:
            return isinstance(asked, str) and bool(self._choose(asked, self.begun()))
        except (UnknownNameError, ConfigError):
            return False

    def __getitem__(self, name: str) -> StoredExperiment:
        """Return an experiment: NAME in its newest experiment version, or NAME@v1, or the folder of one.

        Raises
        ------
        UnknownNameError
            If the lake has nothing of the experiment, or not this experiment version.
        """
        return self._choose(name, self.begun())

    def keys(self) -> list[str]:
        """Return the names of the experiments: NAME of the newest experiment version, NAME@v1 of others."""
        return list(self._by_name())

    def values(self) -> list[StoredExperiment]:
        """Return the experiments in the order of their names in `keys`."""
        return list(self._by_name().values())

    def items(self) -> list[tuple[str, StoredExperiment]]:
        """Return the names and the experiments."""
        return list(self._by_name().items())

    def get(self, name: str, default: Default | None = None) -> StoredExperiment | Default | None:
        """Return an experiment by name, or the default if the lake does not have it."""
        try:
            return self[name]
        except UnknownNameError:
            return default

    def _by_name(self) -> dict[str, StoredExperiment]:
        """Return every experiment by its shortest name: NAME of the newest experiment version, NAME@v1 of others."""
        stored = self.experiments()
        return {each.reference: self._choose(each.reference, stored) for each in stored}

    def _ipython_key_completions_(self) -> list[str]:
        return [each.reference for each in self.begun()]

    @takes(SelectionArguments)
    def snapshot(self, **dataset: Unpack[SelectionArguments]) -> LakeSnapshot:
        """Return every experiment, pinned at one moment; those not yet begun, or without the tag, are left out.

        Parameters
        ----------
        **dataset
            See `lakebatch.lake.arguments.SelectionArguments`.
        """
        selection = selection_of(dataset)
        return self.at(selection.moment).select(selection)

    def at(self, moment: Moment) -> LakeSnapshot:
        """Return every experiment at a moment, see `lakebatch.snapshot.snapshots.Snapshots.pin`."""
        pinned = LakeSnapshot.pin(self.experiments(), moment)
        for name, error in pinned.damaged.items():
            omissions.warn_of_skipped(name, error)
        return pinned

    def select(self, selection: Selection) -> LakeSnapshot:
        """Return the selected assemblies of every experiment; a query that reads a damaged one reports it."""
        return LakeSnapshot.pin(self.experiments(), selection.moment).select(selection)

    @takes(LakeQueryArguments)
    def sql(
        self, text: str, parameters: Mapping[str, Any] | None = None, **options: Unpack[LakeQueryArguments]
    ) -> pl.DataFrame:
        """Return the answer to one SQL query over the lake's views, see `lakebatch.lake.snapshot.LakeSnapshot.sql`.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.SelectionArguments` and `lakebatch.lake.arguments.QueryArguments`.
        """
        selection, others = split(options, LakeQueryArguments)
        return self.select(selection).sql(text, parameters, **others)

    @takes(LakeQueryArguments)
    def query(self, name: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> pl.DataFrame:
        """Return the answer to a named query: ``lake.query("levels", experiment="response-noise")``.

        Parameters
        ----------
        parameters : mapping, optional
            The parameters of the query, which can also be keywords.
        **options
            See `lakebatch.lake.arguments.SelectionArguments` and `lakebatch.lake.arguments.QueryArguments`.

        Raises
        ------
        LakebatchError
            See `lakebatch.lake.snapshot.LakeSnapshot.query`.
        """
        values, others = of_query(name, parameters, options, LakeQueryArguments)
        selection, limits = split(others, LakeQueryArguments)
        return self.select(selection).query(name, values, **limits)

    @takes(LakeViewArguments)
    def connect(self, **options: Unpack[LakeViewArguments]) -> duckdb.DuckDBPyConnection:
        """Return a new DuckDB connection in which every table is a view, see `lakebatch.sql.session.connect`.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.SelectionArguments` and `lakebatch.lake.arguments.ViewArguments`.
        """
        selection, others = split(options, LakeViewArguments)
        return self.select(selection).connect(**others)

    def sweeps(self) -> pl.DataFrame:
        """Return one row per sweep of every experiment, with the number of replicates in each state."""
        found = [
            each.sweeps().select(pl.lit(each.reference).alias("experiment"), pl.all())
            for each in self.experiments()
        ]
        return pl.concat([pl.DataFrame(schema={"experiment": pl.String(), **SWEEP_COLUMNS}), *found])

    def optimize(self, *, dry_run: bool = False) -> pl.DataFrame:
        """Merge the small files of every table, see `lakebatch.maintenance.optimize.optimize`."""
        from lakebatch.maintenance import optimize  # loaded when it is asked for

        return optimize.optimize(self.experiments(), dry_run=dry_run)

    def vacuum(self, *, keep_days: int = vacuum.KEEP_DAYS, dry_run: bool = True) -> pl.DataFrame:
        """Remove unused files, see `lakebatch.maintenance.vacuum.vacuum`."""
        return vacuum.vacuum(self.experiments(), keep_days=keep_days, dry_run=dry_run)

    def usage(self) -> pl.DataFrame:
        """Return the disk usage, see `lakebatch.maintenance.usage.usage`."""
        return usage.usage(self.experiments())

    def doctor(self, name: str | None = None, *, deep: bool = False, read_only: bool = False) -> pl.DataFrame:
        """Return problems of the lake or one experiment, each with a command, see `lakebatch.maintenance.doctor`."""
        from lakebatch.maintenance import doctor  # loaded when it is asked for

        chosen = self._chosen(name)
        return doctor.to_frame(doctor.examine(self.storage, chosen, deep=deep, read_only=read_only))

    def repair(
        self, name: str | None = None, *, dry_run: bool = True, jobs: int | None = None
    ) -> pl.DataFrame:
        """Repair damage where the result can be proven right, see `lakebatch.maintenance.repair`."""
        from lakebatch.maintenance import repair  # as above

        outcomes = (
            each for one in self._chosen(name) for each in repair.heal(one, dry_run=dry_run, jobs=jobs)
        )
        return repair.to_frame(outcomes)

    def import_published(self, path: str | os.PathLike[str], *, dry_run: bool = False) -> Imported:
        """Import a publication, a folder or a zip file, see `lakebatch.publication.importing.import_published`."""
        from lakebatch.publication import importing  # loaded when it is asked for

        def open_experiment(folder: str) -> tuple[StoredExperiment, importing.SetTag]:
            stored = StoredExperiment(self.storage, folder)
            return stored, stored.tag

        return importing.import_published(open_experiment, path, dry_run=dry_run)

    def _chosen(self, name: str | None) -> list[StoredExperiment]:
        """Return the experiment of a name, or all without a name, damaged ones included."""
        stored = self._folders()
        return [self._choose(name, stored)] if name else stored

    def _choose(self, name: str, stored: Sequence[StoredExperiment]) -> StoredExperiment:
        by_folder = {each.folder: each for each in stored}
        found = versions.find(name, by_folder)
        if not found:
            raise self._unknown(name, stored)
        chosen = by_folder[found[-1]]
        chosen.other_versions = tuple(versions.qualified(by_folder)[each] for each in found[:-1])
        return chosen

    def experiments(self) -> list[StoredExperiment]:
        """Return every experiment in the lake, by number and experiment version; warn if there is no lake."""
        found = self.begun()
        if not found and (absence := self.absence()):
            warn(absence)
        return found

    def begun(self) -> list[StoredExperiment]:
        """Return every experiment as `experiments` does, without a warning."""
        stored = [each for each in self._folders() if _may_exist(each)]
        _set_references(stored)
        return stored

    def to_write(self, folder: str) -> StoredExperiment:
        """Return an experiment by the name of its folder, which need not exist yet, for a run that declares its tables."""
        return StoredExperiment(self.storage, folder, self._table_cache.with_other_states())

    def absence(self) -> str | None:
        """Return a sentence that says why there is no lake in this place; None if there is one."""
        if self._folders():
            return None
        uri = self.storage.uri
        is_missing = self.storage.is_local and not os.path.isdir(uri)
        why = "the folder does not exist" if is_missing else "no experiment is in it"
        to_do = f"Correct its name, or create it with a run: lakebatch run {EXAMPLE}"
        return f"There is no lake in {uri}: {why}. {to_do}"

    def _folders(self) -> list[StoredExperiment]:
        folders = [folder for folder in self.storage.folders() if FOLDER.fullmatch(folder)]
        stored = [StoredExperiment(self.storage, folder, self._table_cache) for folder in folders]
        _set_references(stored)
        return sorted(
            stored, key=lambda each: (int(each.number), int(each.experiment_version[1:]), each.name)
        )

    def _unknown(self, name: str, stored: Sequence[StoredExperiment]) -> UnknownNameError:
        known = [each.reference for each in stored]
        plain = ExperimentName.parse(str(name)).name
        can_run = plain in registry.find()
        advice = f"Run it with: lakebatch run {plain}" if can_run else ""
        if not stored and (absence := self.absence()):
            to_do = absence.removesuffix(EXAMPLE) + plain if can_run else absence
            return UnknownNameError(f"There is nothing of {name!r}. {to_do}")
        return UnknownNameError(
            f"There is nothing of {name!r} in {self.storage.uri}. {hint(str(name), known)}"
            f"There: {', '.join(known) or 'none yet'}. {advice}".rstrip()
        )


def _set_references(stored: Sequence[StoredExperiment]) -> None:
    """Give each experiment the shortest name that opens it."""
    names = versions.shortest([each.folder for each in stored])
    for each in stored:
        each.reference = names[each.folder]


def _may_exist(stored: StoredExperiment) -> bool:
    """Whether an experiment exists; True also for damaged tables, so that readers get the error."""
    try:
        return stored.exists()
    except (StorageError, SchemaError):
        return True


@readable
def open_lake(lake: str | os.PathLike[str] | None = None, *, create: bool = True) -> Lake:
    """Open a lake: a folder, ``s3://bucket/prefix``, or by default the one from the environment or ``lakebatch.toml``.

    Nothing is created before the first run. Until then, what reads from the lake warns that there is none.

    >>> "response-noise" in open_lake("no-such-folder")
    False

    Parameters
    ----------
    create : bool
        Whether a run may create the lake.

    Raises
    ------
    StorageError
        If ``create`` is False and there is no lake.
    """
    opened = Lake(locate(lake))
    if not create and (absence := opened.absence()):
        raise StorageError(absence)
    return opened
