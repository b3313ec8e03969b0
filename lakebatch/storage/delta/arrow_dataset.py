"""Data files of a table as a dataset of Arrow, on a disk or on S3."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import polars as pl

from lakebatch.storage.delta.engine import Handle

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow.fs import FileSystemHandler


def arrow_dataset(
    handle: Handle, options: Mapping[str, str], files: pl.DataFrame, schema: pa.Schema
) -> ds.FileSystemDataset:
    """Return some files of a table as a dataset; columns that a file lacks are NULL.

    Parameters
    ----------
    files : frame
        ``path``, ``assembly_id`` and ``bytes``, see `TableVersion.file_table`.
    """
    from deltalake.fs import DeltaStorageHandler

    sizes = dict(files.select("path", "bytes").iter_rows())
    opened = DeltaStorageHandler.from_table(handle._table, dict(options) or None, sizes)
    return _dataset(opened, dict(files.select("path", "assembly_id").iter_rows()), schema)


def bundle_dataset(
    folder: str, options: Mapping[str, str], names: Collection[str], schema: pa.Schema
) -> ds.FileSystemDataset:
    """Return some bundles in a folder as a dataset; columns that a bundle lacks are NULL."""
    from deltalake.fs import DeltaStorageHandler

    return _dataset(DeltaStorageHandler(folder, dict(options) or None), dict.fromkeys(names), schema)


def _dataset(
    opened: FileSystemHandler, files: Mapping[str, str | None], schema: pa.Schema
) -> ds.FileSystemDataset:
    """Return files as a dataset, each with the assembly that its path says."""
    import pyarrow.dataset as ds
    from pyarrow.fs import PyFileSystem

    place, form = PyFileSystem(opened), ds.ParquetFileFormat()
    fragments = [
        form.make_fragment(
            path,
            filesystem=place,
            partition_expression=None if each is None else ds.field("assembly_id") == each,
        )
        for path, each in files.items()
    ]
    return ds.FileSystemDataset(fragments, schema, form, place)
