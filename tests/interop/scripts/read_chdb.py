"""chDB, which is ClickHouse in a process."""

import json
import os

import answers
import chdb

os.chdir("/")  # it reads files below its working directory only


def means(table):
    return chdb.query(
        f"""SELECT level, count() AS n, avg(r2) AS r2
        FROM deltaLakeLocal('{table}') GROUP BY level""",
        "JSONCompact",
    )


def count(table, version=None):
    return int(_ask("count()", table, version)[0][0])


def rows(table, columns, version=None, assembly_id=None):
    chosen = "" if assembly_id is None else f"WHERE assembly_id = '{assembly_id}'"
    return _ask(", ".join(columns), table, version, chosen)


def _ask(what, table, version, chosen=""):
    past = "" if version is None else f", delta_lake_snapshot_version = {version}"
    settings = f"SETTINGS output_format_json_quote_64bit_integers = 0{past}"
    asked = f"SELECT {what} FROM deltaLakeLocal('{table}') {chosen} {settings}"
    return _data(chdb.query(asked, "JSONCompact"))


def _data(answer):
    return json.loads(str(answer))["data"]


if __name__ == "__main__":
    answers.main("chdb chdb-core", count=count, means=lambda table: _data(means(table)), rows=rows)
