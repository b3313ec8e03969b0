"""Data files of a table as a dataset of Arrow, on a disk or on S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from lakebatch.storage.delta.engine import Handle

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds


def arrow_dataset(
    handle: Handle, options: Mapping[str, str], files: pl.DataFrame, schema: pa.Schema
) -> ds.FileSystemDataset:
    """Return some files of a table as a dataset; columns that a file lacks are NULL.

    Parameters
    ----------
    files : frame
        ``path``, ``assembly_id`` and ``bytes``, see `TableVersion.file_table`.
    """
    import pyarrow.dataset as ds
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    sizes = dict(files.select("path", "bytes").iter_rows())
    opened = DeltaStorageHandler.from_table(handle._table, dict(options) or None, sizes)
    place, form = PyFileSystem(opened), ds.ParquetFileFormat()
    fragments = [
        form.make_fragment(
            path,
            filesystem=place,
            partition_expression=None if each is None else ds.field("assembly_id") == each,
        )
        for path, each in files.select("path", "assembly_id").iter_rows()
    ]
    return ds.FileSystemDataset(fragments, schema, form, place)
