"""Differences in source and packages between the processes that computed assemblies, and this one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from lakebatch.assembly.record import WORKERS, Assembly
from lakebatch.assembly.record_json import read_environment, where
from lakebatch.assembly.sources import Files
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.experiment import origin, registry
from lakebatch.experiment.provenance import SOURCE_HASH, row_versions
from lakebatch.snapshot.attempts import IS_BEGINNING, Attempts

NOT_RECORDED = "source text not recorded"
HASH_CHARACTERS = 12
"""Displayed length of a hash."""
MAX_NAMED = 3
# Source files or parts that a description names

FilesOf = Callable[[str], Files | None]
"""Returns the source files with a source hash; None if they are not recorded."""
Versions = Mapping[str, str]
"""The versions that rows depend on, by name, see `lakebatch.experiment.provenance.row_versions`."""


def not_recorded(source_hash: str) -> Files | None:
    """Return None: no source file is known."""
    return None


def between(environments: Iterable[Mapping[str, Any]], files_of: FilesOf = not_recorded) -> list[str]:
    """Return the source files and package versions in which the environments of assemblies differ, one clause each.

    Parameters
    ----------
    environments : iterable of mapping
        Environments as `lakebatch.assembly.record.Assembly.surroundings` has them.
    files_of : callable, optional
        Returns the source files with a source hash, such as `Snapshot.source_files`; without it, hashes are named.

    >>> between([{"packages": {"numpy": "2.1.0"}}, {"packages": {"numpy": "2.2.0"}}])
    ['numpy 2.1.0, 2.2.0']
    >>> between([{"source_hash": "a" * 64}, {"source_hash": "b" * 64}])
    ['source aaaaaaaaaaaa, bbbbbbbbbbbb (source text not recorded)']
    """
    known = distinct(environments)
    values = _values(known)
    return [
        _source_clause(values[name], files_of)
        if name == SOURCE_HASH
        else f"{_label(name)} {', '.join(values[name])}"
        for name in _differing(known)
    ]


def distinct(environments: Iterable[Mapping[str, Any]]) -> list[Versions]:
    """Return the different codes that computed assemblies: the versions that rows depend on.

    >>> distinct([{"python": "3.11.1"}, {"python": "3.11.2"}, {"python": "3.12.0"}])
    [{'python': '3.11'}, {'python': '3.12'}]
    """
    return [each.versions for each in _united((code, None) for env in environments for code in _codes(env))]


def since_begun(
    events: pl.DataFrame, assembly_id: str, now: Mapping[str, Any], files_of: FilesOf = not_recorded
) -> list[str]:
    """Return the changes, since processes began an assembly, of versions that rows depend on, one clause each.

    Parameters
    ----------
    now : mapping
        The environment of this process, see `lakebatch.experiment.provenance.environment`.
    """
    here = row_versions(now)
    begun = [row_versions(environment) for _, environment in _beginnings(events, assembly_id)]
    return list(
        dict.fromkeys(
            _change(name, value, here.get(name), files_of)
            for then in begun
            for name, value in then.items()
            if value != here.get(name)
        )
    )


def mixtures(
    events: pl.DataFrame,
    attempts: Attempts | None = None,
    files_of: FilesOf = not_recorded,
) -> dict[str, str]:
    """Return a description, by assembly, of differences between the codes that computed its parts.

    Parameters
    ----------
    attempts : Attempts, optional
        What the commits of parts recorded: without it, parts are not told apart.
    """
    found = {}
    for assembly_id in _suspects(events):
        codes = _codes_of(events, assembly_id, attempts)
        differing = _differing([each.versions for each in codes])
        if differing:
            found[assembly_id] = _description(codes, differing, files_of)
    return found


def since(tables: ExperimentTables, assembly: Assembly) -> list[str]:
    """Return the differences between the installed code and packages and those of an assembly, one clause each."""
    source = registry.get(tables.name)
    present = origin.state(source)
    files_of = tables.source_log.files_or(present)
    after = _flat(origin.record(source, present))
    return [
        _change(key, value, after.get(key), files_of)
        for key, value in _flat(assembly.software).items()
        if value != after.get(key)
    ]


def changed_files(before: Files, after: Files) -> list[str]:
    """Return the files that differ between two states of a source: ``a.py``, ``new b.py``, ``removed c.py``."""
    common = [file for file in before if file in after and before[file].sha256 != after[file].sha256]
    new = [f"new {file}" for file in after if file not in before]
    return [*common, *new, *(f"removed {file}" for file in before if file not in after)]


class _Code(NamedTuple):
    """The versions that computed some parts; the parts are None where that is not recorded."""

    versions: Versions
    parts: tuple[str, ...] | None


def _suspects(events: pl.DataFrame) -> list[str]:
    """Return the assemblies that several processes began, or workers with other versions computed."""
    began = events.filter(IS_BEGINNING)
    several = began["assembly_id"].is_duplicated()
    apart = began["environment"].str.contains(f'"{WORKERS}":', literal=True)
    return began.filter(several | apart)["assembly_id"].unique(maintain_order=True).to_list()


def _codes_of(events: pl.DataFrame, assembly_id: str, attempts: Attempts | None) -> list[_Code]:
    """Return the codes that computed parts of an assembly, each with its parts."""
    began = _beginnings(events, assembly_id)
    known = {number: _codes(environment) for number, environment in began}
    if not _differing([versions for each in known.values() for versions in each]):
        return []
    by_event = None if attempts is None else attempts.parts(assembly_id)
    if (
        by_event is None
        or not by_event.keys() <= known.keys()
        or any(len(known[each]) > 1 for each in by_event)
    ):
        return _united((versions, None) for each in known.values() for versions in each)
    return _united((known[number][0], parts) for number, parts in by_event.items())


def _united(codes: Iterable[tuple[Versions, Sequence[str] | None]]) -> list[_Code]:
    """Return codes with the parts of equal ones together."""
    found: list[_Code] = []
    for versions, parts in codes:
        at = next((index for index, each in enumerate(found) if each.versions == versions), None)
        if at is None:
            found.append(_Code(versions, None if parts is None else tuple(parts)))
        elif parts is not None:
            found[at] = _Code(versions, (*(found[at].parts or ()), *parts))
    return found


def _description(codes: Sequence[_Code], differing: Sequence[str], files_of: FilesOf) -> str:
    clauses = [_computed(each, differing) for each in codes]
    if SOURCE_HASH in differing:
        hashes = _values([each.versions for each in codes])[SOURCE_HASH]
        clauses.append(f"the source differs in {files_between(hashes, files_of)}")
    return f"its parts were computed by {len(codes)} codes: {'; '.join(clauses)}"


def _computed(code: _Code, differing: Sequence[str]) -> str:
    versions = ", ".join(
        f"{_label(name)} {_shown(name, code.versions[name])}" for name in differing if name in code.versions
    )
    return versions if code.parts is None else f"{_listed(code.parts)} by {versions}"


def _source_clause(hashes: Sequence[str], files_of: FilesOf) -> str:
    shown = ", ".join(_shown(SOURCE_HASH, each) for each in hashes)
    return f"source {shown} ({files_between(hashes, files_of)})"


def files_between(hashes: Sequence[str], files_of: FilesOf) -> str:
    """Return the files that differ between several states of a source, as a string that names the first of them."""
    states = [files_of(each) for each in hashes]
    first = states[0]
    if first is None or None in states:
        return NOT_RECORDED
    return _listed(
        list(dict.fromkeys(file for each in states[1:] for file in changed_files(first, each or {})))
    )


def _change(name: str, then: str, now: str | None, files_of: FilesOf) -> str:
    clause = f"{_label(name)} was {_shown(name, then)}, is {'missing' if now is None else _shown(name, now)}"
    is_source = name == SOURCE_HASH and now is not None
    return f"{clause} ({files_between([then, str(now)], files_of)})" if is_source else clause


def _flat(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries of an environment, with its packages beside them."""
    tree = dict(environment)
    packages = tree.pop("packages", {})
    return {name: str(value) for name, value in {**tree, **packages}.items()}


def _codes(environment: Mapping[str, Any]) -> list[Versions]:
    """Return the versions that compute rows in an environment: those of its Dask workers if they differ from its own."""
    own = row_versions(environment)
    return [own | each for each in environment.get(WORKERS, [])] or [own]


def _beginnings(events: pl.DataFrame, assembly_id: str) -> list[tuple[int, dict[str, Any]]]:
    """Return number and environment of each event with which a process began to compute an assembly."""
    began = events.filter(IS_BEGINNING, assembly_id=assembly_id).sort("event")
    return [
        (event, read_environment(text, where("environment", assembly_id, event)))
        for event, text in began.select("event", "environment").iter_rows()
    ]


def _values(known: Iterable[Versions]) -> dict[str, list[str]]:
    """Return the different values of each name."""
    found: dict[str, dict[str, None]] = {}
    for each in known:
        for name, value in each.items():
            found.setdefault(name, {})[value] = None
    return {name: list(values) for name, values in found.items()}


def _differing(known: Collection[Versions]) -> list[str]:
    return [name for name, values in _values(known).items() if len(values) > 1]


def _label(name: str) -> str:
    return {SOURCE_HASH: "source", "python": "Python"}.get(name, name)


def _shown(name: str, value: str) -> str:
    return value[:HASH_CHARACTERS] if name == SOURCE_HASH else value


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more}"
