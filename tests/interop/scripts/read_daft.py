"""Daft."""

import answers
import daft
from daft import col


def means(table):
    rows = daft.read_deltalake(table).groupby("level")
    return rows.agg(col("repeat").count(), col("r2").mean()).collect()


def count(table, version=None):
    return daft.read_deltalake(table, version=version).count_rows()


def rows(table, columns, version=None, assembly_id=None):
    found = daft.read_deltalake(table, version=version)
    chosen = found if assembly_id is None else found.where(col("assembly_id") == assembly_id)
    return _rows(chosen.select(*columns))


def _rows(frame):
    return (row.values() for row in frame.to_pylist())


if __name__ == "__main__":
    answers.main("daft deltalake", count=count, means=lambda table: _rows(means(table)), rows=rows)
