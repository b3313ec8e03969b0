"""DataFusion, over the provider of deltalake."""

import answers
from datafusion import SessionContext
from deltalake import DeltaTable


def means(table):
    session = SessionContext()
    session.register_table("rows", DeltaTable(table))
    query = "SELECT level, count(*), avg(r2) FROM rows GROUP BY level"
    return session.sql(query).to_pandas()


def count(table, version=None):
    return _ask("SELECT count(*) AS n FROM rows", table, version)[0]["n"]


def rows(table, columns, version=None, assembly_id=None):
    chosen = "" if assembly_id is None else f"WHERE assembly_id = '{assembly_id}'"
    return (row.values() for row in _ask(f"SELECT {', '.join(columns)} FROM rows {chosen}", table, version))


def _ask(query, table, version):
    session = SessionContext()
    session.register_table("rows", DeltaTable(table, version=version))
    return session.sql(query).to_pylist()


if __name__ == "__main__":
    answers.main(
        "datafusion deltalake",
        count=count,
        means=lambda table: means(table).to_numpy(),
        rows=rows,
    )
