"""Makes bundles of small files of results and finds stale ones, see `lakebatch.storage.delta.bundles`."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime, timedelta

import polars as pl

from lakebatch.assembly.record import last_events
from lakebatch.errors import DamageError
from lakebatch.snapshot.row_order import in_order
from lakebatch.storage.delta import bundles, damage
from lakebatch.storage.delta.compaction import GROUP_ROWS
from lakebatch.storage.delta.engine import plain_table
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion
from lakebatch.storage.local import STAGED
from lakebatch.storage.place import StoredFile

logger = logging.getLogger(__name__)

FINAL = ("completed", "discarded")
"""Statuses of assemblies that get no more rows."""


def bundle(results: Table, events: Table) -> int:
    """Copy the rows of small files into bundles where they are many enough, and return the number of new bundles.

    Raises
    ------
    DamageError
        If the rows of a file cannot be read, or their number is not the one in the log.
    """
    table = results.newest()
    if not may_be_due(table):
        return 0
    last = last_events(damage.newest_rows(events))
    final = last.filter(pl.col("status").is_in(FINAL))["assembly_id"].to_list()
    pending = list(table.sorted_files.pending(table.known_bundles(), final))
    for indices in pending:
        _write(results, table, indices)
    return len(pending)


def may_be_due(table: TableVersion) -> bool:
    """Whether results have files enough for a bundle."""
    return table.is_plain and table.file_table.height >= bundles.MIN_FILES


def stale(results: Table, older_than: timedelta) -> list[StoredFile]:
    """Return the bundles that nothing reads any more, and their unfinished writes, from a certain age on.

    Files of other names are not ours.
    """
    files, table = results.storage.files(results.bundle_folder), results.newest()
    ours = [each for each in files if bundles.NAME.fullmatch(each.path) or STAGED.fullmatch(each.path)]
    used = {each.name for each, _ in table.sorted_files.matching(bundles.parse(files))} if files else set()
    before = datetime.now(UTC) - older_than
    return [file for file in ours if file.path not in used and file.at < before]


def _write(results: Table, table: TableVersion, indices: range) -> None:
    import pyarrow.parquet as pq  # only where files are written

    files = table.sorted_files
    ids = sorted({files.assembly_ids[index] for index in indices})
    rows = damage.read_rows(table, in_order(table.scan(ids)), ids)
    counts = table.rows_by_assembly
    expected = sum(counts[each] for each in ids)
    if rows.height != expected:
        raise DamageError(
            f"{results.uri} has {rows.height} rows of {ids[0]} to {ids[-1]}, its log says {expected}. "
            "Look closer with: lakebatch doctor --deep"
        )
    content = io.BytesIO()
    pq.write_table(plain_table(rows), content, compression="zstd", row_group_size=GROUP_ROWS)
    results.storage.check_space(content.tell())
    name = bundles.bundle_name(files, indices, content.tell())
    results.storage.write(f"{results.bundle_folder}/{name}", content.getvalue())
    logger.info("%s repeats the rows of %d files of %s", name, len(indices), results.uri)
