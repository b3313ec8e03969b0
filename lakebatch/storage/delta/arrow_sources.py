"""Sources of the rows of a table on S3 as datasets of Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lakebatch.storage.delta.arrow_dataset import bundle_dataset
from lakebatch.storage.delta.bundles import Sources
from lakebatch.storage.delta.version import TableVersion

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def arrow_sources(table: TableVersion, found: Sources) -> list[ds.FileSystemDataset]:
    """Return the sources of rows as datasets, which read what they are asked for: bundles, and files that are in none."""
    datasets = []
    if found.bundles:
        names = [uri.rpartition("/")[2] for uri in found.bundles]
        options = table.storage.options
        datasets.append(bundle_dataset(table.bundle_folder, options, names, table.arrow_schema()))
    if found.files:
        datasets.append(table.arrow_dataset(_assemblies_of(table, found.files)))
    return datasets


def check_present(table: TableVersion, found: Sources) -> None:
    """Raise `FileNotFoundError` unless every file is on S3; one request tells of a thousand."""
    listed = table.storage.files(table.uri.removeprefix(f"{table.storage.uri}/")) if found.files else []
    present = {f"{table.uri}/{each.path}" for each in listed}
    for uri in found.files:
        if uri not in present:
            raise FileNotFoundError(f"{uri}: No such file")


def _assemblies_of(table: TableVersion, uris: list[str]) -> list[str]:
    """Return the assemblies of some files; a bundle or files hold all rows of an assembly."""
    is_of_these = (pl.lit(f"{table.uri}/") + pl.col("path")).is_in(uris)
    return table.file_table.filter(is_of_these)["assembly_id"].drop_nulls().unique().to_list()
