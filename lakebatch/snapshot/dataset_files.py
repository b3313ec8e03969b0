"""The files of a dataset, for other engines: exactly those whose rows belong to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch.errors import MissingDependencyError
from lakebatch.storage.delta.compaction import arrow_rows
from lakebatch.storage.delta.version import TableVersion

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds


@dataclass(frozen=True)
class DatasetFiles:
    """The Parquet files that hold the rows of a dataset, and no others.

    They are those of the newest state; no file is changed, and `vacuum` keeps each for some days after a merge.

    Attributes
    ----------
    table : str
        Name of the table.
    uris : tuple of str
        Their paths, or URIs on S3.
    assembly_ids : tuple of str
        The assembly of each file. The files themselves lack this column: it is in their paths, as in Hive.
    rows : int
        The number of rows in all of them.
    schema : pyarrow.Schema
        The columns, with units and comments as metadata of the fields. Columns that a file lacks are NULL.
    storage_options : dict
        How S3 is reached, with its secrets; empty on a disk.
    """

    table: str
    uris: tuple[str, ...]
    assembly_ids: tuple[str, ...]
    rows: int
    schema: pa.Schema = field(repr=False)
    storage_options: Mapping[str, str] = field(repr=False)
    pinned: TableVersion = field(repr=False)

    def __len__(self) -> int:
        return len(self.uris)

    def __repr__(self) -> str:
        return f"DatasetFiles({self.table}: {len(self.uris)} files, {self.rows} rows)"

    def to_arrow_dataset(self) -> ds.FileSystemDataset:
        """Return a dataset of Arrow, which pyarrow, DuckDB, DataFusion and polars read lazily."""
        return self.pinned.arrow_dataset(set(self.assembly_ids))

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a frame of pandas, in no particular order.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        _require("pandas", "lakebatch[pandas]")
        return self.to_arrow_dataset().to_table().to_pandas()

    def to_duckdb(self, connection: Any = None) -> Any:
        """Return the rows as a relation of DuckDB, read when it is asked for.

        Parameters
        ----------
        connection : duckdb.DuckDBPyConnection, optional
            By default the one of the module ``duckdb``.
        """
        import duckdb

        return (connection or duckdb).from_arrow(self.to_arrow_dataset())

    def to_dask(self) -> Any:
        """Return the rows as a frame of Dask with Arrow's types, one partition per file.

        Raises
        ------
        MissingDependencyError
            If Dask is not installed.
        """
        _require("dask", "lakebatch[dask,pandas]")
        import dask.dataframe as dd

        read = partial(_read_file, schema=self.schema, options=dict(self.storage_options))
        empty = _to_pandas(self.schema.empty_table())
        from_map: Any = dd.from_map  # without types
        return from_map(read, self._named(), meta=empty)

    def _named(self) -> list[tuple[str, str]]:
        """Return each file with its assembly."""
        return list(zip(self.uris, self.assembly_ids, strict=True))

    def to_ray(self) -> Any:
        """Return the rows as a dataset of Ray Data, one block per file.

        Raises
        ------
        MissingDependencyError
            If Ray is not installed.
        """
        _require("ray", "ray[data]")
        import ray.data

        if not self.uris:
            return ray.data.from_arrow(self.schema.empty_table())
        files = [{"uri": uri, "assembly_id": each} for uri, each in self._named()]
        read = partial(_read_rows, schema=self.schema, options=dict(self.storage_options))
        listed = ray.data.from_items(files, override_num_blocks=len(files))
        return listed.map_batches(read, batch_size=1, batch_format="pyarrow")

    def to_daft(self) -> Any:
        """Return the rows as a frame of Daft.

        Raises
        ------
        MissingDependencyError
            If Daft is not installed.
        """
        _require("daft", "daft")
        import daft

        frame = daft.read_parquet(list(self.uris), hive_partitioning=True, io_config=self._daft_config())
        return frame.select(*self.schema.names)

    def _daft_config(self) -> Any:
        if not self.storage_options:
            return None
        from daft.io import IOConfig, S3Config

        given = {name.lower().removeprefix("aws_"): value for name, value in self.storage_options.items()}
        return IOConfig(
            s3=S3Config(
                endpoint_url=given.get("endpoint_url") or given.get("endpoint"),
                region_name=given.get("region"),
                key_id=given.get("access_key_id"),
                access_key=given.get("secret_access_key"),
                session_token=given.get("session_token"),
            )
        )


def dataset_files(pinned: TableVersion, table: str, ids: Collection[str]) -> DatasetFiles:
    """Return the files that hold the rows of some assemblies in a table that is partitioned by them."""
    pinned.check_readable()
    files = [(each, each.assembly_id) for each in pinned.data_files(ids) if each.assembly_id is not None]
    return DatasetFiles(
        table,
        tuple(f"{pinned.uri}/{each.path}" for each, _ in files),
        tuple(assembly_id for _, assembly_id in files),
        sum(each.rows for each, _ in files),
        pinned.arrow_schema(),
        dict(pinned.storage.options),
        pinned,
    )


def _read_file(file: tuple[str, str], schema: pa.Schema, options: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of one file as a frame of pandas with Arrow's types."""
    return _to_pandas(_read_arrow(file, schema, options))


def _read_rows(listed: pa.Table, schema: pa.Schema, options: Mapping[str, str]) -> pa.Table:
    """Return the rows of the one file that a batch of Ray names."""
    (file,) = listed.to_pylist()
    return _read_arrow((file["uri"], file["assembly_id"]), schema, options)


def _read_arrow(file: tuple[str, str], schema: pa.Schema, options: Mapping[str, str]) -> pa.Table:
    """Return the rows of one file with the columns of its table."""
    uri, assembly_id = file
    rows = pl.scan_parquet(uri, hive_partitioning=False, storage_options=dict(options) or None)
    return arrow_rows(rows.collect().with_columns(assembly_id=pl.lit(assembly_id)), schema)


def _to_pandas(rows: pa.Table) -> pd.DataFrame:
    import pandas as pd

    return rows.to_pandas(types_mapper=pd.ArrowDtype)


def _require(package: str, extra: str) -> None:
    if find_spec(package) is None:
        raise MissingDependencyError(
            f"This needs {package}, which is not installed. Install it with: pip install {extra!r}"
        )
