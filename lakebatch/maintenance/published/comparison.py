"""Comparison of the published table with the dataset that it repeats."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lakebatch.assembly.tables import PUBLISHED, RESULTS, ExperimentTables
from lakebatch.errors import LakebatchError
from lakebatch.maintenance.published import files
from lakebatch.maintenance.published.commits import check_ours
from lakebatch.maintenance.published.contents import Wanted, contents, total
from lakebatch.snapshot import pieces
from lakebatch.snapshot.mixture import listed
from lakebatch.storage.delta.version import TableVersion


def differences(state: TableVersion, wanted: Wanted) -> Iterator[str]:
    """Yield how the assemblies in a state of the table, and their row counts, differ from the dataset."""
    check_ours(state)
    found = contents(state)
    known, expected = total(found), wanted.entries
    if lost := [each.file.path for each in found if each.entries is None]:
        yield f"{lost[0]} cannot be read, or lakebatch did not write it"
    if missing := sorted(expected.keys() - known.keys()):
        yield f"it lacks {listed(missing)}"
    if extra := sorted(known.keys() - expected.keys()):
        yield f"it has {listed(extra)}, not in the dataset"
    for name in sorted(known.keys() & expected.keys()):
        if known[name] != expected[name]:
            yield f"it has {known[name].rows} rows of {name}, the dataset {expected[name].rows}"
    if not wanted.layout.has_columns_of(state):
        yield "it has other columns than the results and configs"


def other_values(tables: ExperimentTables, state: TableVersion, wanted: Wanted) -> str | None:
    """Return what is wrong with the values in a state of the table; None if they are those of the dataset.

    All rows are read, a row group at a time.
    """
    from lakebatch.storage.delta.commit_metadata import fingerprint  # needs numpy

    columns = [each.name for each in wanted.layout.results]
    try:
        copied = fingerprint(each.select(columns) for each in _rows(tables, state, wanted))
    except LakebatchError:
        raise
    except (OSError, ValueError) as error:  # those of pyarrow
        return f"a file of it cannot be read ({' '.join(str(error).split())})"
    ids = list(wanted.entries)
    rows = pieces.read(wanted.snapshot, ids, lambda: None, table=RESULTS, on_gap="refuse")
    same = copied == fingerprint(each.select(columns) for each in rows)
    return None if same else "it holds other values than the dataset"


def _rows(tables: ExperimentTables, state: TableVersion, wanted: Wanted) -> Iterator[pl.DataFrame]:
    schema = files.arrow_schema(wanted.layout)
    for file in state.data_files():
        for group in files.groups(tables.table(PUBLISHED), file, schema):
            yield pl.DataFrame(group).cast({pl.Categorical: pl.String})
