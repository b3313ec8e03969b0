"""Computes parts of an assembly again, from its record alone."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from lakebatch.assembly.record import MADE_BY, Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.columns import STAMPED
from lakebatch.errors import LakebatchError, SchemaError
from lakebatch.executor.declared import declared_schemas
from lakebatch.executor.local import Local
from lakebatch.executor.progress import Counters
from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment import registry
from lakebatch.experiment.plan import RunPlan
from lakebatch.maintenance.inspection.lineage import Group
from lakebatch.maintenance.repair.outcome import CannotComputeError, CannotHealError
from lakebatch.snapshot import changes
from lakebatch.storage.delta.commit_metadata import COPY, decode, fingerprint
from lakebatch.storage.delta.schema import TableSchema

logger = logging.getLogger(__name__)

Times = Callable[[str], datetime | None]
"""Returns the time at which a part was committed, from other tables with its rows."""


class Computed:
    """Parts of one assembly that were computed again.

    Parameters
    ----------
    software : str
        Differences of code and packages from those that wrote the assembly; empty if there are none.
    """

    def __init__(
        self, assembly: Assembly, outcomes: Mapping[str, Outcome], software: str, times: Times
    ) -> None:
        self._assembly = assembly
        self._outcomes = outcomes
        self._software = software
        self._times = times

    def rows(self, group: Group, schema: TableSchema) -> pl.DataFrame:
        """Return the rows that a commit added.

        Raises
        ------
        CannotComputeError
            If the part fails now, or its rows have another fingerprint.
        """
        part = str(group.part)
        outcome = self._outcomes.get(part)
        if outcome is None:
            raise CannotComputeError(f"this code does not plan part {part} of it")
        if outcome.error is not None:
            raise CannotComputeError(f"part {part} fails when it is computed again: {outcome.error}")
        if schema.table not in outcome.tables:
            raise CannotComputeError(
                f"part {part} gives no rows of {schema.table} when it is computed again{self._because}"
            )
        rows = self._completed(outcome.tables[schema.table].frame(), group, schema)
        if fingerprint([rows]) != group.recorded:
            raise CannotComputeError(
                f"the rows of part {part}, computed again, do not have the fingerprint that its commit recorded"
                f"{self._because}"
            )
        return rows

    @property
    def _because(self) -> str:
        return f"; since then {self._software}" if self._software else ""

    def _completed(self, frame: pl.DataFrame, group: Group, schema: TableSchema) -> pl.DataFrame:
        """Return computed rows with the columns that cannot be computed, from the commit."""
        part = str(group.part)
        try:
            if text := group.entry.info.get(COPY):
                copied = decode(text, schema.polars, group.rows or 0)
                return frame.with_columns(copied)
            at = self._times(part)
            _check_completable(frame, schema, at)
            return frame.with_columns(recorded_at=pl.lit(at).cast(schema.polars["recorded_at"]))
        except (ValueError, SchemaError, pl.exceptions.PolarsError) as error:
            raise CannotComputeError(
                f"part {part}, computed again, does not fit its commit: {error}"
            ) from error


def _check_completable(frame: pl.DataFrame, schema: TableSchema, at: datetime | None) -> None:
    """Refuse rows that need a copy in their commit and have none, as those of a lakebatch before 0.2."""
    lost = [
        column.name
        for column in schema.columns
        if column.volatile and column.name not in STAMPED and frame[column.name].null_count() < frame.height
    ]
    if lost or at is None:
        what = ", ".join(lost) or "recorded_at"
        raise CannotHealError(
            f"its commit, of a lakebatch before 0.2, has no copy of {what}, which cannot be computed"
        )


@contextmanager
def computed(
    stored: ExperimentTables, assembly: Assembly, parts: Collection[str], times: Times, jobs: int | None
) -> Iterator[Computed]:
    """Compute parts of an assembly again, with its config, its seed and the present code.

    Raises
    ------
    CannotComputeError
        If the present code cannot compute the assembly.
    """
    plan = _planned(stored, assembly)
    planned = {part.key: part for part in plan.parts}
    wanted = [planned[key] for key in parts if key in planned]
    with tempfile.TemporaryDirectory(prefix="lakebatch-repair-") as folder:
        scratch = Path(folder)
        schemas = declared_schemas(plan.experiment, plan.config)
        job = Job(assembly.assembly_id, plan.source, assembly.settings, assembly.seed, scratch, schemas)
        logger.info("computing %d parts of %s again", len(wanted), assembly.assembly_id)
        with Counters.create(scratch, len(wanted)):
            outcomes = {each.part.key: each for each in Local.of(jobs).execute(job, wanted)}
        yield Computed(assembly, outcomes, "; ".join(changes.since(stored, assembly)), times)


def check_computable(stored: ExperimentTables, assembly: Assembly, parts: Collection[str]) -> None:
    """Refuse parts that the present code does not plan; only a computation shows whether it gives the same rows."""
    planned = _planned(stored, assembly).keys
    if unknown := [part for part in parts if part not in planned]:
        raise CannotComputeError(f"this code does not plan part {unknown[0]} of it")


def _planned(stored: ExperimentTables, assembly: Assembly) -> RunPlan:
    if MADE_BY in assembly.settings:
        raise CannotHealError("no experiment computed its rows: they were imported")
    try:
        plan = RunPlan.from_record(registry.get(stored.name), assembly.settings)
    except LakebatchError as error:
        raise CannotComputeError(f"it cannot be computed again: {error}") from error
    if plan.experiment.version != stored.experiment_version:
        raise CannotComputeError(
            f"it is of {stored.folder}, and this code has experiment version {plan.experiment.version}"
        )
    return plan
