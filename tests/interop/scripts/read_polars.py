"""polars."""

import answers
import polars as pl


def means(table):
    rows = pl.scan_delta(table).group_by("level")
    return rows.agg(pl.len(), pl.mean("r2")).collect()


def count(table, version=None):
    return pl.scan_delta(table, version=version).select(pl.len()).collect().item()


def rows(table, columns, version=None, assembly_id=None):
    found = pl.scan_delta(table, version=version)
    chosen = found if assembly_id is None else found.filter(pl.col("assembly_id") == assembly_id)
    return chosen.select(columns).collect().rows()


if __name__ == "__main__":
    answers.main("polars deltalake", count=count, means=lambda table: means(table).rows(), rows=rows)
