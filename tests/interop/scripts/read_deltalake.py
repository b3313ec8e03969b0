"""deltalake, with a dataset of pyarrow."""

import answers
import pyarrow.dataset as ds
from deltalake import DeltaTable


def means(table):
    rows = DeltaTable(table).to_pyarrow_dataset().to_table(["level", "r2"])
    return rows.group_by("level").aggregate([("r2", "count"), ("r2", "mean")])


def count(table, version=None):
    return _dataset(table, version).count_rows()


def rows(table, columns, version=None, assembly_id=None):
    chosen = None if assembly_id is None else ds.field("assembly_id") == assembly_id
    found = _dataset(table, version).to_table(columns, filter=chosen)
    return (row.values() for row in found.to_pylist())


def _dataset(table, version):
    return DeltaTable(table, version=version).to_pyarrow_dataset()


if __name__ == "__main__":
    answers.main(
        "deltalake pyarrow",
        count=count,
        means=lambda table: map(dict.values, means(table).to_pylist()),
        rows=rows,
    )
