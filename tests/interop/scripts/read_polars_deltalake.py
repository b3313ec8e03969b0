"""polars-deltalake, on Delta's kernel in Rust."""

import answers
import polars as pl
from polars_deltalake import scan_delta


def means(table):
    rows = scan_delta(table).group_by("level")
    return rows.agg(pl.len(), pl.mean("r2")).collect()


def count(table, version=None):
    return scan_delta(table, version=version).select(pl.len()).collect().item()


def rows(table, columns, version=None, assembly_id=None):
    found = scan_delta(table, version=version)
    chosen = found if assembly_id is None else found.filter(pl.col("assembly_id") == assembly_id)
    return chosen.select(columns).collect().rows()


if __name__ == "__main__":
    answers.main("polars-deltalake polars", count=count, means=lambda table: means(table).rows(), rows=rows)
