"""Parquet files as a dataset of Arrow, on a disk or on S3."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import polars as pl

from lakebatch.storage.uris import is_local

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow.fs import FileSystem

# Arrow's own file systems: one in Python, such as deltalake's, is called by threads that outlive the interpreter, which
# ends the process with a segmentation fault where a query was interrupted or needed the first rows alone. They find the
# size of a file themselves: with a size that is too large, Arrow returns memory that it did not fill.


def arrow_dataset(
    uri: str, options: Mapping[str, str], files: pl.DataFrame, schema: pa.Schema
) -> ds.FileSystemDataset:
    """Return some files of a table as a dataset; columns that a file lacks are NULL.

    Parameters
    ----------
    uri : str
        The folder of the table.
    files : frame
        ``path`` and ``assembly_id``, see `TableVersion.file_table`.
    """
    return _dataset(uri, options, dict(files.select("path", "assembly_id").iter_rows()), schema)


def bundle_dataset(
    uri: str, options: Mapping[str, str], names: Collection[str], schema: pa.Schema
) -> ds.FileSystemDataset:
    """Return some bundles in a folder as a dataset; columns that a bundle lacks are NULL."""
    return _dataset(uri, options, dict.fromkeys(names), schema)


def _dataset(
    uri: str, options: Mapping[str, str], files: Mapping[str, str | None], schema: pa.Schema
) -> ds.FileSystemDataset:
    """Return files in a folder, each with the assembly that its path says, as a dataset."""
    import pyarrow.dataset as ds

    place, form = _file_system(uri, options), ds.ParquetFileFormat()
    folder = uri.removeprefix("s3://")
    fragments = [
        form.make_fragment(
            f"{folder}/{path}",
            filesystem=place,
            partition_expression=None if each is None else ds.field("assembly_id") == each,
        )
        for path, each in files.items()
    ]
    return ds.FileSystemDataset(fragments, schema, form, place)


def _file_system(uri: str, options: Mapping[str, str]) -> FileSystem:
    """Return Arrow's access to a disk, or to S3 with the options of the engine."""
    from pyarrow.fs import LocalFileSystem, S3FileSystem

    if is_local(uri):
        return LocalFileSystem()
    scheme, _, host = options.get("AWS_ENDPOINT_URL", "https://").partition("://")
    own_authorities = os.environ.get("AWS_CA_BUNDLE") if scheme == "https" else None
    return S3FileSystem(
        access_key=options.get("AWS_ACCESS_KEY_ID"),
        secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
        session_token=options.get("AWS_SESSION_TOKEN"),
        region=options.get("AWS_REGION"),
        scheme=scheme,
        endpoint_override=host or None,
        **({"tls_ca_file_path": own_authorities} if own_authorities else {}),
    )
