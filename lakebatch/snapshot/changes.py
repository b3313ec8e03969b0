"""Differences in code and packages between the processes that computed an assembly, and this one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from lakebatch.assembly.record import Assembly
from lakebatch.assembly.record_json import read_environment, where
from lakebatch.errors import AssemblyError
from lakebatch.experiment import provenance, registry

logger = logging.getLogger(__name__)

SOURCE = "source_hash"
COMPARED = ("python", "lakebatch", SOURCE)
"""Compared keys of an environment, besides its packages."""
HASH_CHARACTERS = 12
"""Displayed length of a hash."""
IS_BEGINNING = (pl.col("status") == "started") & pl.col("pid").is_not_null()


def check(
    events: pl.DataFrame, assembly_id: str, now: Mapping[str, Any], *, name: str, source: Path, allow: bool
) -> None:
    """Refuse to resume an assembly that other code began; warn of one that other packages began.

    Parameters
    ----------
    name : str
        The experiment's name.
    now : mapping
        The environment of this process, see `lakebatch.experiment.provenance.environment`.
    source : path
        The experiment's file.
    allow : bool
        Whether to only warn of other code.

    Raises
    ------
    AssemblyError
        If a process began the assembly with another source of the experiment.
    """
    found = dict.fromkeys(
        each
        for then in _environments(events, assembly_id)
        for each in _differences(versions(then), versions(now))
    )
    if any(each.startswith(SOURCE) for each in found) and not allow:
        raise AssemblyError(
            f"{assembly_id} was begun with other code: {source} or a file in a folder beside it has changed since "
            f"({'; '.join(found)}). "
            "Put that code back, start a new run, or mix the rows of both with: "
            f"lakebatch resume {name} {assembly_id} --allow-changed"
        )
    if found:
        logger.warning("%s was begun with other versions: %s.", assembly_id, "; ".join(found))


def mixtures(events: pl.DataFrame, *, only: str | None = None) -> dict[str, str]:
    """Return a description, by assembly, of differences between the processes that computed it.

    Parameters
    ----------
    only : str, optional
        The only key to compare, such as ``source_hash``.
    """
    began = events.filter(IS_BEGINNING)
    several = began.filter(began["assembly_id"].is_duplicated())["assembly_id"].unique(maintain_order=True)
    found = {}
    for assembly_id in several:
        known = [versions(each) for each in _environments(began, assembly_id)]
        names = [only] if only else sorted(set().union(*known))
        values = {name: list(dict.fromkeys(each[name] for each in known if name in each)) for name in names}
        mixed = [
            f"{name} {' and '.join(_shown(name, each) for each in values[name])}"
            for name in names
            if len(values[name]) > 1
        ]
        if mixed:
            found[assembly_id] = f"its parts were computed with different versions: {'; '.join(mixed)}"
    return found


def since(name: str, assembly: Assembly) -> list[str]:
    """Return the differences between the installed code and packages and those of an assembly, one clause each."""
    experiment = registry.load(registry.get(name))
    source = registry.source_file(experiment)
    now = {
        "code_version": provenance.code_version(source),
        **provenance.environment(source, experiment.version),
    }
    then = {"code_version": assembly.code_version, **assembly.software}
    before = {**then, **then.pop("packages", {})}
    after = {**now, **now.pop("packages", {})}
    return [
        f"{key} was {before[key]}, is {after.get(key, 'missing')}"
        for key in before
        if before[key] != after.get(key)
    ]


def versions(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions that rows can depend on: of source, lakebatch, Python and packages, by name.

    >>> versions({"python": "3.11.2", "packages": {"numpy": "2.1.0"}, "cpus": 2})
    {'python': '3.11.2', 'numpy': '2.1.0'}
    """
    known = {name: environment[name] for name in COMPARED if name in environment}
    return {name: str(value) for name, value in {**known, **environment.get("packages", {})}.items()}


def _differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{name} was {_shown(name, value)}, is {_shown(name, now.get(name, 'missing'))}"
        for name, value in then.items()
        if value != now.get(name)
    ]


def _shown(name: str, value: str) -> str:
    return value[:HASH_CHARACTERS] if name == SOURCE else value


def _environments(events: pl.DataFrame, assembly_id: str) -> list[dict[str, Any]]:
    """Return the different environments of the processes that computed an assembly, oldest first."""
    began = events.filter(IS_BEGINNING, assembly_id=assembly_id).sort("event")
    first = began.unique("environment", keep="first", maintain_order=True)
    return [
        read_environment(text, where("environment", assembly_id, event))
        for text, event in first.select("environment", "event").iter_rows()
    ]
