"""The kernel in Rust that the client of Delta Sharing reads with."""

import answers
import pyarrow as pa
from delta_kernel_rust_sharing_wrapper import PythonInterface, ScanBuilder, Table


def means(table):
    uri = f"file://{table}"
    kernel = PythonInterface(uri)
    scan = ScanBuilder(Table(uri).snapshot(kernel)).build()
    rows = pa.Table.from_batches(scan.execute(kernel))
    return rows.group_by("level").aggregate([("r2", "count"), ("r2", "mean")])


def count(table, version=None):
    return _table(table, version).num_rows


def rows(table, columns, version=None, assembly_id=None):
    found = _table(table, version)
    chosen = found if assembly_id is None else found.filter(pa.compute.field("assembly_id") == assembly_id)
    return (row.values() for row in chosen.select(columns).to_pylist())


def _table(table, version):
    if version is not None:
        raise answers.LacksError("has no argument for a version")
    uri = f"file://{table}"
    kernel = PythonInterface(uri)
    scan = ScanBuilder(Table(uri).snapshot(kernel)).build()
    return pa.Table.from_batches(scan.execute(kernel))


if __name__ == "__main__":
    answers.main(
        "delta-kernel-rust-sharing-wrapper pyarrow",
        count=count,
        means=lambda table: (row.values() for row in means(table).to_pylist()),
        rows=rows,
    )
