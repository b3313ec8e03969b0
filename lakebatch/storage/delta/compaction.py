"""Merges of small data files into larger ones."""

from __future__ import annotations

import io
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl

from lakebatch.errors import DamageError, StorageError
from lakebatch.storage.delta.engine import is_plain
from lakebatch.storage.delta.replacement import NewFile, Replacement, replace
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import DataFile, TableVersion

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 100_000
"""Rows per row group of a merged file."""
READERS = 16
"""Footers that are read at a time."""


def compact(
    table: Table,
    target_bytes: int,
    metadata: Mapping[str, str],
    *,
    assembly_id: str | None = None,
    rewritten: Collection[DataFile] = (),
) -> dict[str, int]:
    """Merge the small files of each partition in one commit, which changes no row and hinders no append.

    Of several processes that merge the same files only one succeeds; the others find nothing left to merge.

    Parameters
    ----------
    assembly_id : str, optional
        Merge only the files of this assembly.
    rewritten : collection of files
        Files to write again in plain types, also where nothing is merged.

    Returns
    -------
    dict
        ``files_before`` and ``files_after``: the number of files that were merged, and of merged files.

    Raises
    ------
    DamageError
        If the row count of a file differs from its log.
    """
    state = table.at()
    chosen = state.data_files(None if assembly_id is None else [assembly_id])
    groups = list(bins(chosen, target_bytes))
    merged = {file for files in groups for file in files}
    groups += [[file] for file in chosen if file in rewritten and file not in merged]
    replacements = [
        Replacement(files[0].assembly_id, tuple(files), (write(table, state, files),)) for files in groups
    ]
    done = replace(table, replacements, metadata) if replacements else []
    return {
        "files_before": sum(len(each.removed) for each in done),
        "files_after": sum(len(each.added) for each in done),
    }


def with_other_types(state: TableVersion) -> list[DataFile]:
    """Return the files that have views or large types, which some engines cannot read; unreadable ones are left out."""
    files = state.data_files()

    def has_other_types(file: DataFile) -> bool:
        try:
            return not is_plain(state.file_metadata(file))
        except (pl.exceptions.PolarsError, OSError):  # doctor names it
            return False

    with ThreadPoolExecutor(READERS) as pool:
        return [file for file, found in zip(files, pool.map(has_other_types, files), strict=True) if found]


def bins(files: list[DataFile], target_bytes: int) -> Iterator[list[DataFile]]:
    """Yield groups of small files, each of one partition and merged into one file."""
    small = sorted((file for file in files if file.size < target_bytes), key=_partition)
    for _, partition in groupby(small, key=_partition):
        together: list[DataFile] = []
        size = 0
        for file in partition:
            if together and size + file.size > target_bytes:
                yield from _several(together)
                together, size = [], 0
            together.append(file)
            size += file.size
        yield from _several(together)


def _partition(file: DataFile) -> str:
    return file.assembly_id or ""


def _several(files: list[DataFile]) -> Iterator[list[DataFile]]:
    if len(files) > 1:
        yield files


def write(table: Table, state: TableVersion, files: Sequence[DataFile]) -> NewFile:
    """Write the rows of some files of one partition into a new file.

    Raises
    ------
    DamageError
        If a file cannot be read, or its row count differs from its log.
    """
    return write_rows(table, state, (_read(state, table.path, file) for file in files), files[0].assembly_id)


def write_rows(
    table: Table, state: TableVersion, frames: Iterable[pl.DataFrame], assembly_id: str | None
) -> NewFile:
    """Write frames of one partition, with the columns of `TableVersion.scan`, into a new file that no commit names yet."""
    import pyarrow.parquet as pq

    from lakebatch.storage.delta.commit_metadata import add, fingerprint  # needs numpy, and reading does not

    content, rows, expected = io.BytesIO(), 0, []
    schema = state.file_schema()
    with pq.ParquetWriter(content, schema, compression="zstd") as writer:
        for group in _groups(frames):
            rows += group.height
            expected.append(fingerprint([group]))
            writer.write_table(arrow_rows(group, schema))
    _check_written(table, content, assembly_id, add(expected))
    folder = "" if assembly_id is None else f"assembly_id={assembly_id}/"
    path = f"{folder}part-00000-{uuid.uuid4()}-c000.zstd.parquet"
    size = content.getbuffer().nbytes
    table.storage.check_space(size)
    table.storage.write(f"{table.path}/{path}", content.getvalue())
    return NewFile(path, size, rows)


def _read(state: TableVersion, path: str, file: DataFile) -> pl.DataFrame:
    """Return the rows of a file after a check of their count, given the path of the table in its lake."""
    try:
        content = None if state.is_local else state.storage.read(f"{path}/{file.path}")
        rows = state.read_file(file, content)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, StorageError) as error:
        raise _damaged(state, file, f"cannot be read ({' '.join(str(error).split())})") from error
    if rows.height != file.rows:
        raise _damaged(state, file, f"has {rows.height} rows, its log says {file.rows}")
    return rows


def _damaged(state: TableVersion, file: DataFile, what: str) -> DamageError:
    return DamageError(
        f"{state.uri}/{file.path} {what}. Nothing was merged; look closer with: lakebatch doctor"
    )


def _groups(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the rows of frames in frames of about one row group each."""
    few: list[pl.DataFrame] = []
    for frame in frames:
        for piece in frame.iter_slices(GROUP_ROWS):
            few.append(piece)
            if sum(each.height for each in few) >= GROUP_ROWS:
                yield pl.concat(few, how="diagonal")
                few = []
    if few:
        yield pl.concat(few, how="diagonal")


def arrow_rows(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """Return rows with exactly the columns and the plain types of a table's files; absent columns are NULL."""
    import pyarrow as pa

    given = frame.to_arrow()
    columns = [
        given[field.name].cast(field.type)
        if field.name in given.column_names
        else pa.nulls(frame.height, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _check_written(table: Table, content: io.BytesIO, assembly_id: str | None, expected: str) -> None:
    """Read a new file back and compare its rows, before any commit names it."""
    import pyarrow.parquet as pq

    from lakebatch.storage.delta.commit_metadata import fingerprint  # as above

    file = pq.ParquetFile(content)
    frames = (pl.DataFrame(file.read_row_group(index)) for index in range(file.num_row_groups))
    stamped = (
        frames
        if assembly_id is None
        else (each.with_columns(assembly_id=pl.lit(assembly_id)) for each in frames)
    )
    if fingerprint(stamped) != expected:
        raise DamageError(
            f"Rows of {table.uri} changed while they were written. Nothing was replaced; check this machine."
        )
