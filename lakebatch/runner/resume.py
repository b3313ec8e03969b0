"""Checks before an assembly is resumed: same experiment version, parts and code."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from lakebatch.assembly.record import Assembly
from lakebatch.errors import AssemblyError
from lakebatch.experiment import registry
from lakebatch.experiment.plan import RunPlan
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
    source = registry.get(stored.name)
    version = registry.load(source).version
    if version != stored.experiment_version:
        raise AssemblyError(
            f"{assembly.assembly_id} is of {stored.folder}, this code has experiment version {version} of it. "
            "Use the code that wrote it."
        )
    plan = RunPlan.from_record(source, assembly.computed_settings())
    if plan.keys != assembly.parts:
        raise AssemblyError(
            f"{assembly.assembly_id} was planned by {assembly.code_version} with other parts than this code plans. "
            "Resume it with that code, or start a new run."
        )
    return plan


def check_unchanged(
    stored: StoredExperiment,
    assembly: Assembly,
    plan: RunPlan,
    environment: Mapping[str, Any],
    *,
    allow: bool,
) -> None:
    """Raise if other code of the experiment began the assembly, unless allowed; see `changes.check`."""
    changes.check(
        stored.log.events(),
        assembly.assembly_id,
        environment,
        name=stored.reference,
        source=plan.file,
        allow=allow,
    )


def warn_of_other_version(assembly: Assembly, code_version: str) -> None:
    """Warn if the code version is not that of the start of the assembly."""
    if code_version != assembly.code_version:
        logger.warning(
            "The code is %s now and was %s when %s started.",
            code_version,
            assembly.code_version,
            assembly.assembly_id,
        )
