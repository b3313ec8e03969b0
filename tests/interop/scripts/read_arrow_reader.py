"""delta-arrow-reader."""

import answers
from delta_arrow_reader import DeltaTable, Session


def means(table):
    session = Session()
    session.register_table("rows", DeltaTable(table))
    query = "SELECT level, count(*) AS n, avg(r2) AS r2 FROM rows GROUP BY level"
    with session.sql(query) as reader:
        return reader.read_all()


def count(table, version=None):
    return _ask("SELECT count(*) AS n FROM rows", table, version)[0]["n"]


def rows(table, columns, version=None, assembly_id=None):
    chosen = "" if assembly_id is None else f"WHERE assembly_id = '{assembly_id}'"
    return (row.values() for row in _ask(f"SELECT {', '.join(columns)} FROM rows {chosen}", table, version))


def _ask(query, table, version):
    session = Session()
    session.register_table("rows", DeltaTable(table, version=version))
    with session.sql(query) as reader:
        return reader.read_all().to_pylist()


if __name__ == "__main__":
    answers.main(
        "delta-arrow-reader",
        count=count,
        means=lambda table: (row.values() for row in means(table).to_pylist()),
        rows=rows,
    )
