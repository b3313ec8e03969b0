"""Checks before a run begins or resumes: same experiment version, parts, source and packages."""

from __future__ import annotations

import logging

import polars as pl

from lakebatch._version import __version__
from lakebatch.assembly.record import Assembly
from lakebatch.errors import AssemblyError
from lakebatch.experiment import registry
from lakebatch.experiment.plan import RunPlan
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.experiment.registry import Source
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.snapshot import changes

logger = logging.getLogger(__name__)


def recorded_plan(stored: StoredExperiment, assembly: Assembly) -> RunPlan:
    """Return the plan of an assembly from its record alone.

    Raises
    ------
    AssemblyError
        If the code has another experiment version, whose rows are in another folder, or plans other parts.
    """
    source = source_of(stored, assembly.assembly_id)
    plan = RunPlan.from_record(source, assembly.computed_settings())
    if plan.keys != assembly.parts:
        raise AssemblyError(
            f"{assembly.assembly_id} was planned by lakebatch {assembly.lakebatch_version} with other parts than this code "
            "plans. Resume it with that code, or start a new run."
        )
    return plan


def source_of(stored: StoredExperiment, what: str) -> Source:
    """Return the source of an experiment to go on with.

    Parameters
    ----------
    what : str
        What is to go on, for the error: an assembly, or a sweep.

    Raises
    ------
    AssemblyError
        If the code has another experiment version.
    """
    source = registry.get(stored.name)
    version = registry.load(source).version
    if version != stored.experiment_version:
        raise AssemblyError(
            f"{what} is of {stored.folder}, this code has experiment version {version} of it. "
            "Use the code that wrote it."
        )
    return source


def accepted_changes(
    stored: StoredExperiment, assembly: Assembly, plan: RunPlan, *, accept: bool
) -> str | None:
    """Return a note of the changes of source and packages since the assembly was begun; None without changes.

    Raises
    ------
    AssemblyError
        If there are changes that are not accepted.
    """
    found = changes.since_begun(
        stored.log.events(),
        assembly.assembly_id,
        plan.environment,
        stored.source_log.files_or(plan.source_state),
    )
    if not found:
        return None
    if not accept:
        raise AssemblyError(
            f"{assembly.assembly_id} was begun with other code or packages: {'; '.join(found)}. "
            "Put them back, start a new run, or let the assembly have rows of both with: "
            f"lakebatch resume {stored.reference} {assembly.assembly_id} --accept-changes"
        )
    logger.warning("%s goes on with other code or packages: %s.", assembly.assembly_id, "; ".join(found))
    return f"accepted changes: {'; '.join(found)}"


def warn_of_other_lakebatch(assembly: Assembly) -> None:
    """Warn if another version of lakebatch began or resumed the assembly last."""
    if assembly.lakebatch_version != __version__:
        logger.warning(
            "lakebatch was %s when %s was begun, and is %s.",
            assembly.lakebatch_version,
            assembly.assembly_id,
            __version__,
        )


def warn_of_changed_source(stored: StoredExperiment, plan: RunPlan, begun: Assembly) -> None:
    """Warn if the source differs from that of the newest assembly before, of the same experiment version."""
    earlier = stored.log.events().filter((pl.col("event") == 0) & (pl.col("run_number") < begun.run_number))
    known = earlier.select(
        "assembly_id", source_hash=pl.col("environment").str.json_path_match(f"$.{SOURCE_HASH}")
    )
    computed = known.drop_nulls().rows()
    if not computed or computed[-1][1] == plan.source_state.sha256:
        return
    newest, before = computed[-1]
    files_of = stored.source_log.files_or(plan.source_state)
    logger.warning(
        "The source has changed since %s, the last assembly of %s %s: %s. "
        "If rows change with it, raise version in %s, so that they go to tables of their own.",
        newest,
        stored.name,
        stored.experiment_version,
        changes.files_between([before, plan.source_state.sha256], files_of),
        plan.written_in,
    )
