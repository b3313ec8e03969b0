"""The rows of a small table on S3 that a process has read: a data file never changes, so each is fetched once."""

from __future__ import annotations

import polars as pl

from lakebatch.storage.delta.log_files import checked
from lakebatch.storage.delta.version import TableVersion


class KeptRows:
    """The rows of the data files of one table, by path."""

    def __init__(self) -> None:
        self._rows: dict[str, pl.DataFrame] = {}

    def of(self, state: TableVersion, path: str) -> pl.DataFrame:
        """Return all rows of a state of the table at a path in its lake, and forget those of files that it lacks.

        Raises
        ------
        StorageError
            If a file cannot be fetched.
        polars.exceptions.PolarsError
            If a file is damaged.
        """
        known, files = self._rows, state.data_files()
        absent = [file for file in files if file.path not in known]
        contents = state.storage.read_each(f"{path}/{file.path}" for file in absent)
        fetched = {
            file.path: state.read_file(file, checked(content))
            for file, content in zip(absent, contents, strict=True)
        }
        self._rows = rows = {file.path: known[file.path] for file in files if file.path in known} | fetched
        if not files:
            return state.scan().collect()
        return pl.concat(rows[file.path].select(state.columns()) for file in files)
