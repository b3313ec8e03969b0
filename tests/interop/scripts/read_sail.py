"""Sail, a server for Spark Connect, asked by Spark's own client."""

import answers
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

server = SparkConnectServer()
server.start(background=True)
host, port = server.listening_address
spark = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()


def means(table):
    return spark.sql(f"""
        SELECT level, count(*) AS n, avg(r2) AS r2
        FROM delta.`{table}` GROUP BY level
    """)


def count(table, version=None):
    return _read(table, version).count()


def rows(table, columns, version=None, assembly_id=None):
    found = _read(table, version)
    chosen = found if assembly_id is None else found.where(found["assembly_id"] == assembly_id)
    return chosen.select(*columns).collect()


def _read(table, version):
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(table)


if __name__ == "__main__":
    answers.main("pysail pyspark-client", count=count, means=lambda table: means(table).collect(), rows=rows)
