"""Unified diffs between two states of an experiment's source."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff

from lakebatch.assembly.record import Assembly
from lakebatch.assembly.sources import Files, KeptFile
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.experiment import origin, registry
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.snapshot.changes import HASH_CHARACTERS, NOT_RECORDED, FilesOf

NOTHING = KeptFile("", "")


def between_assemblies(before: Assembly, files_before: FilesOf, after: Assembly, files_after: FilesOf) -> str:
    """Return the differences between the sources of two assemblies, see `between`.

    Parameters
    ----------
    files_before, files_after : callable
        Return the source files with a source hash, such as `Snapshot.source_files`.
    """
    old, new = (each.surroundings.get(SOURCE_HASH) for each in (before, after))
    if old is None or new is None:
        return ""
    return between(
        old, files_before(old), new, files_after(new), names=(before.assembly_id, after.assembly_id)
    )


def since(tables: ExperimentTables, assembly: Assembly) -> str:
    """Return the differences from the source of an assembly to the present one, see `between`."""
    old = assembly.surroundings.get(SOURCE_HASH)
    if old is None:
        return ""
    present = origin.state(registry.get(tables.name))
    files_of, new = tables.source_log.files_or(present), present.sha256
    return between(old, files_of(old), new, files_of(new), names=(assembly.assembly_id, "now"))


def between(old: str, before: Files | None, new: str, after: Files | None, *, names: tuple[str, str]) -> str:
    """Return the differences between two states of a source as a unified diff; empty if there are none.

    Parameters
    ----------
    old, new : str
        The source hashes.
    before, after : mapping or None
        The source files by path; None if they are not recorded, so that only the hashes can be shown.
    names : pair of str
        What the states are called in the heads of the diff.
    """
    if old == new:
        return ""
    if before is None or after is None:
        return f"{NOT_RECORDED}: source {old[:HASH_CHARACTERS]} in {names[0]}, {new[:HASH_CHARACTERS]} in {names[1]}"
    return "\n".join(_lines(before, after, names))


def _lines(before: Files, after: Files, names: tuple[str, str]) -> Iterator[str]:
    for file in dict.fromkeys((*before, *after)):
        old, new = before.get(file, NOTHING), after.get(file, NOTHING)
        if old.sha256 != new.sha256:
            yield from _file_lines(file, old, new, names)


def _file_lines(file: str, old: KeptFile, new: KeptFile, names: tuple[str, str]) -> Iterator[str]:
    if old.text is None or new.text is None:
        yield f"{file} differs; it was too large to keep"
        return
    head_old, head_new = (_head(file, kept, name) for kept, name in zip((old, new), names, strict=True))
    texts = old.text.splitlines(), new.text.splitlines()
    lines = list(unified_diff(*texts, head_old, head_new, lineterm=""))
    yield from lines or [f"{file} differs in line ends or withheld text alone"]


def _head(file: str, kept: KeptFile, name: str) -> str:
    return "/dev/null" if kept is NOTHING else f"{file}\t{name}"
