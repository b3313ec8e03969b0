"""The deep check of bundles: each is held against the files whose rows it repeats."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lakebatch.assembly.tables import ExperimentTables
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.storage.delta.damage import READ_FAULTS
from lakebatch.storage.delta.fingerprint import fingerprint
from lakebatch.storage.delta.version import TableVersion, collect

REMOVE = "It only repeats rows, to be read quickly. Remove it with: lakebatch repair {}"


def check_bundles(stored: ExperimentTables) -> Iterator[Finding]:
    """Whether every bundle that is read has the rows of its files."""
    subject, faults = f"{stored.folder}/bundles", 0
    for _, what in damaged_bundles(stored):
        faults += 1
        yield Finding("bundles", subject, "problem", what, REMOVE.format(stored.name))
    table = stored.results.at()
    matching = list(table.sorted_files.matching(table.known_bundles()))
    if matching and not faults:
        yield Finding("bundles", subject, "ok", f"{len(matching)} bundles have the rows of their files")


def damaged_bundles(stored: ExperimentTables) -> Iterator[tuple[str, str]]:
    """Yield the name of each bundle that is read and cannot be relied on, and what is wrong with it."""
    table = stored.results.at()
    known = table.known_bundles()
    for bundle, where in table.sorted_files.matching(known) if known else ():
        uri = f"{table.bundle_folder}/{bundle.name}"
        try:
            if fingerprint([collect(table.scan_bundle(uri))]) != fingerprint(_files(table, where)):
                yield bundle.name, f"{uri} has other rows than its files"
        except READ_FAULTS as error:
            reason = " ".join(str(error).split())
            yield bundle.name, f"{uri}, or a file whose rows it repeats, cannot be read ({reason})"


def _files(table: TableVersion, where: range) -> Iterator[pl.DataFrame]:
    wanted = set(table.sorted_files.paths[where.start : where.stop])
    return (table.read_file(file) for file in table.data_files() if file.path in wanted)
