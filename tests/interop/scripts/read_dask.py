"""Dask with dask-deltatable."""

import answers
import dask
import dask_deltatable


def means(table):
    # else lists become strings
    with dask.config.set({"dataframe.convert-string": False}):
        rows = dask_deltatable.read_deltalake(table)
        means = rows.groupby("level")["r2"].agg(["count", "mean"])
        return means.compute()


def count(table, version=None):
    return len(dask_deltatable.read_deltalake(table, version=version))


def rows(table, columns, version=None, assembly_id=None):
    with dask.config.set({"dataframe.convert-string": False}):
        return rows_by_default(table, columns, version, assembly_id)


def rows_by_default(table, columns, version=None, assembly_id=None):
    found = dask_deltatable.read_deltalake(table, version=version)
    chosen = found if assembly_id is None else found[found["assembly_id"] == assembly_id]
    return [[_plain(each) for each in row] for row in chosen[columns].compute().itertuples(index=False)]


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else value


if __name__ == "__main__":
    answers.main(
        "dask dask-deltatable",
        count=count,
        means=lambda table: means(table).reset_index().to_numpy(),
        rows=rows,
        rows_by_default=rows_by_default,
    )
