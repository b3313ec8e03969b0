"""DuckDB with its extension delta, which the package of that name carries."""

from pathlib import Path

import answers
import duckdb
import duckdb_extension_delta

folder = Path(duckdb_extension_delta.__file__).parent
(extension,) = folder.rglob("delta.duckdb_extension")
connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
connection.load_extension(str(extension))


def means(table):
    return connection.sql(f"""
        SELECT level, count(*) AS n, avg(r2) AS r2
        FROM delta_scan('{table}') GROUP BY level
    """)


def count(table, version=None):
    return connection.sql(f"SELECT count(*) FROM {_table(table, version)}").fetchone()[0]


def rows(table, columns, version=None, assembly_id=None):
    chosen = "" if assembly_id is None else f"WHERE assembly_id = '{assembly_id}'"
    return connection.sql(f"SELECT {', '.join(columns)} FROM {_table(table, version)} {chosen}").fetchall()


def _table(table, version):
    if version is None:
        return f"delta_scan('{table}')"
    name = f"past_{version}_{abs(hash(table))}"
    connection.sql(f"ATTACH IF NOT EXISTS '{table}' AS {name} (TYPE delta)")
    return f"{name} AT (VERSION => {version})"


if __name__ == "__main__":
    answers.main(
        "duckdb duckdb-extension-delta", count=count, means=lambda table: means(table).fetchall(), rows=rows
    )
