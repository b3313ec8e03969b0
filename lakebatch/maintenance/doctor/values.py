"""The deep check: the rows of every file and bundle against the fingerprints that their commits recorded."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.artifacts import ARTIFACTS, CONTENT, sha256_of
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.maintenance.doctor.files import advice
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.inspection.rows import Fingerprints, damaged_bundles
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.storage.delta.damage import READ_ERRORS
from lakebatch.storage.delta.engine import FINGERPRINT
from lakebatch.storage.delta.log import READABLE, Entry


def check_values(table: InspectedTable, fingerprints: Fingerprints) -> Iterator[Finding]:
    """Whether every file can be read to its end and has the rows that were committed."""
    faults = [
        *_unreadable(table, fingerprints),
        *_out_of_reach(table, fingerprints),
        *_changed(table, fingerprints),
    ]
    yield from faults
    if not faults:
        yield _all_read(table, len(fingerprints.known))


def _unreadable(table: InspectedTable, fingerprints: Fingerprints) -> Iterator[Finding]:
    for path, reason in fingerprints.faults.items():
        what = f"{table.locate(path)} cannot be read ({reason})"
        yield Finding("values", table.path, "problem", what, advice(table, table.references[path]))


def _out_of_reach(table: InspectedTable, fingerprints: Fingerprints) -> Iterator[Finding]:
    for reason in fingerprints.out_of_reach.values():
        yield Finding("values", table.path, "problem", reason, READABLE)


def _changed(table: InspectedTable, fingerprints: Fingerprints) -> Iterator[Finding]:
    for reference in fingerprints.changed():
        what = f"{table.locate(reference.path)} holds other values than were committed"
        yield Finding("values", table.path, "problem", what, advice(table, reference))


def _all_read(table: InspectedTable, files: int) -> Finding:
    unmarked = [each for each in table.log.entries if each.of("add") and not _is_comparable(each)]
    what = f"{files} files read to their end"
    if unmarked:
        what += (
            f"; {len(unmarked)} commits are older than fingerprints, so their values could not be compared"
        )
    return Finding("values", table.path, "ok", what)


def _is_comparable(entry: Entry) -> bool:
    return FINGERPRINT in entry.info or bool(entry.of("remove"))


def check_contents(stored: ExperimentTables) -> Iterator[Finding]:
    """Whether every artifact has the hash and the size that its row says; files that cannot be read are other findings."""
    table = stored.table(ARTIFACTS).at()
    subject, count, faults = f"{stored.folder}/{ARTIFACTS}", 0, 0
    for file in table.data_files():
        try:
            rows = table.read_file(file).iter_rows(named=True)
        except READ_ERRORS:
            continue
        for row in rows:
            count += 1
            content = row[CONTENT] or b""
            if (sha256_of(content), len(content)) != (row["sha256"], row["size"]):
                faults += 1
                what = f"artifact {row['name']!r} of part {row['part']} of {row['assembly_id']} has not its recorded hash"
                advice = "Nothing tells which of the two is right: another tool than lakebatch wrote the row."
                yield Finding("contents", subject, "problem", what, advice)
    if not faults:
        yield Finding("contents", subject, "ok", f"{count} artifacts have their recorded hashes")


def check_bundles(stored: ExperimentTables) -> Iterator[Finding]:
    """Whether every bundle in use has the rows of its files."""
    subject = f"{stored.folder}/bundles"
    remove = f"It only repeats rows, for quick reading. Remove it with: lakebatch repair {stored.reference}"
    faults = [Finding("bundles", subject, "problem", what, remove) for _, what in damaged_bundles(stored)]
    yield from faults
    table = stored.results.at()
    matching = list(table.sorted_files.matching(table.known_bundles()))
    if matching and not faults:
        yield Finding("bundles", subject, "ok", f"{len(matching)} bundles have the rows of their files")
