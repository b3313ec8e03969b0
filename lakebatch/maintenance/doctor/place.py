"""Checks of the storage of a lake, and of the packages that read and write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

from lakebatch.errors import StorageError
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.storage import Storage

ENGINES = ("deltalake", "polars", "duckdb", "pyarrow", "boto3")
READING_WORKS = "Reading still works; check a lake that is only read with: lakebatch doctor --read-only"
BOUND = re.compile(r"(>=|<)\s*([\d.]+)")


def check_writing(storage: Storage, *, read_only: bool) -> Iterator[Finding]:
    """Whether files can be created, and a second one of the same name is refused."""
    if read_only:
        yield Finding("writing", storage.uri, "note", "not checked, as requested")
        return
    try:
        storage.check_writable()
        once = storage.creates_only_once()
    except StorageError as error:
        yield Finding("writing", storage.uri, "problem", str(error), READING_WORKS)
        return
    yield Finding("writing", storage.uri, "ok", "files can be created and removed")
    yield _conditional(storage.uri, once)


def check_rights(storage: Storage, folder: str, *, read_only: bool) -> Iterator[Finding]:
    """Whether every file of an experiment may be read and, unless it is only read, every folder of it be written in."""
    unreadable = storage.locked(folder, for_writing=False)
    unwritable = [] if read_only else storage.locked(folder, for_writing=True)
    if unreadable:
        what = f"{len(unreadable)} files may not be read, e.g. {unreadable[0]}"
        yield Finding("rights", folder, "problem", what, "Ask their owner for the right to read them.")
    if unwritable:
        what = f"nothing may be written in {len(unwritable)} folders, e.g. {unwritable[0]}"
        yield Finding("rights", folder, "problem", what, READING_WORKS)
    if not (unreadable or unwritable):
        yield Finding(
            "rights", folder, "ok", "everything can be read" + ("" if read_only else " and written")
        )


def _conditional(uri: str, once: bool) -> Finding:
    if once:
        return Finding("conditional put", uri, "ok", "a second writer does not overwrite an existing file")
    return Finding(
        "conditional put",
        uri,
        "problem",
        "a second writer overwrites the file of the first, so that commits of two writers can be lost",
        "Let only one process write at a time, or use a file system with hard links or an S3 service "
        "that honours If-None-Match.",
    )


def check_versions() -> Iterator[Finding]:
    """Whether the packages that read and write tables are of tested package versions."""
    for requirement in metadata.requires("lakebatch") or []:
        name = re.split(r"[^\w-]", requirement, maxsplit=1)[0]
        if name in ENGINES and "extra ==" not in requirement:
            yield _version(name, metadata.version(name), requirement)


def _version(name: str, version: str, requirement: str) -> Finding:
    what = f"{name} {version}, tested with {requirement}"
    if is_within(version, requirement):
        return Finding("packages", name, "ok", what)
    return Finding("packages", name, "problem", what, f"Install it with: pip install '{requirement}'")


def is_within(version: str, requirement: str) -> bool:
    """Whether a version lies within the lower and the upper bound of a requirement.

    >>> is_within("2.0.1", "duckdb<3,>=2.0"), is_within("3.0", "duckdb<3,>=2.0")
    (True, False)
    """
    number = _number(version)
    return all(
        number >= _number(bound) if sign == ">=" else number < _number(bound)
        for sign, bound in BOUND.findall(requirement)
    )


def _number(version: str) -> tuple[int, ...]:
    digits = [int(each) for each in re.findall(r"\d+", version)[:3]]
    return tuple(digits + [0] * (3 - len(digits)))
