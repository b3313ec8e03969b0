"""deltalake, with a frame of pandas."""

import answers
from deltalake import DeltaTable


def means(table):
    frame = DeltaTable(table).to_pandas(columns=["level", "r2"])
    return frame.groupby("level")["r2"].agg(["count", "mean"]).reset_index()


def count(table, version=None):
    return len(_frame(table, version))


def rows(table, columns, version=None, assembly_id=None):
    chosen = None if assembly_id is None else [("assembly_id", "=", assembly_id)]
    found = _frame(table, version, columns=columns, filters=chosen)
    return ([_plain(each) for each in row] for row in found.itertuples(index=False))


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else value


def _frame(table, version, **selected):
    return DeltaTable(table, version=version).to_pandas(**selected)


if __name__ == "__main__":
    answers.main("deltalake pandas", count=count, means=lambda table: means(table).to_numpy(), rows=rows)
