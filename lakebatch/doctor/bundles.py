"""The deep check of bundles: each is held against the files whose rows it repeats."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lakebatch.damage import READ_FAULTS
from lakebatch.delta import TableVersion, collect
from lakebatch.doctor.finding import Finding
from lakebatch.fingerprint import fingerprint
from lakebatch.stored import StoredExperiment

REMOVE = "Remove it: it only repeats rows, to be read quickly."


def check_bundles(stored: StoredExperiment) -> Iterator[Finding]:
    """Whether every bundle that is read has the rows of its files."""
    table, subject = stored.results.at(), f"{stored.folder}/bundles"
    known = table.known_bundles()
    matching = list(table.sorted_files.matching(known)) if known else []
    faults = 0
    for bundle, where in matching:
        uri = f"{table.bundle_folder}/{bundle.name}"
        try:
            is_same = fingerprint([collect(table.scan_bundle(uri))]) == fingerprint(_files(table, where))
            what = "" if is_same else f"{uri} has other rows than its files"
        except READ_FAULTS as error:
            what = f"{uri}, or a file whose rows it repeats, cannot be read ({' '.join(str(error).split())})"
        if what:
            faults += 1
            yield Finding("bundles", subject, "problem", what, REMOVE)
    if matching and not faults:
        yield Finding("bundles", subject, "ok", f"{len(matching)} bundles have the rows of their files")


def _files(table: TableVersion, where: range) -> Iterator[pl.DataFrame]:
    wanted = set(table.sorted_files.paths[where.start : where.stop])
    return (table.read_file(file) for file in table.data_files() if file.path in wanted)
