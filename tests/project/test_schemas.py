"""Columns of the tables: promised, described in ``schemas/``, and written."""

import deltalake
import pyarrow as pa
import pytest

from lakebatch.storage import Storage
from lakebatch.storage.delta import schema
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.table_format import PROPERTIES, SCHEMA_VERSION

PROMISED = {
    "results": {
        "assembly_id": "string", "part": "string", "level": "double", "feature_set": "string", "model": "string",
        "repeat": "long", "seed": "long", "n_train": "long", "n_test": "long", "mse": "double", "r2": "double",
        "pearson_r": "double", "pearson_p": "double", "fit_seconds": "double", "error": "string",
        "recorded_at": "timestamp",
    },
    "assemblies": {
        "assembly_id": "string", "run_number": "long", "status": "string", "at": "timestamp", "config": "string",
        "config_hash": "string", "seed": "long", "parts_planned": "long", "parts_done": "long", "rows": "long",
        "results_version": "long", "error": "string", "code_version": "string", "environment": "string",
        "host": "string", "pid": "long",
    },
}  # fmt: skip
"""The columns that users, queries and outside tools rely on, in order; others may stand between them."""

MIXED_UNITS = {"parameters"}
"""Lists of numbers that have a unit each."""

PARTITIONS = {"results": ("assembly_id",), "assemblies": ()}
TABLES = schema.table_names()


@pytest.fixture(params=TABLES)
def written(request, tmp_path):
    """Return a table's schema, and the table as read by another library."""
    expected = schema.load_schema(request.param)
    table = Table(Storage(str(tmp_path)), "90_v1_toy", expected)
    table.ensure()
    return expected, deltalake.DeltaTable(table.uri)


@pytest.mark.parametrize("table", PROMISED)
def test_schema_has_the_promised_columns_in_order(table):
    columns = {column.name: column.type for column in schema.load_schema(table).columns}
    assert [name for name in columns if name in PROMISED[table]] == list(PROMISED[table])
    assert {name: columns[name] for name in PROMISED[table]} == PROMISED[table]


@pytest.mark.parametrize("table", PARTITIONS)
def test_schema_is_partitioned_as_promised(table):
    assert schema.load_schema(table).partition_by == PARTITIONS[table]


@pytest.mark.parametrize("table", TABLES)
def test_schema_explains_every_column(table):
    described = schema.load_schema(table)
    assert described.table == table
    assert described.version >= 1
    assert described.description.endswith(".")
    for column in described.columns:
        assert len(column.comment) > 10, column.name
        assert column.comment.endswith("."), column.name


@pytest.mark.parametrize("table", TABLES)
def test_schema_gives_every_measured_number_a_unit(table):
    numbers = [column for column in schema.load_schema(table).columns if "double" in column.type]
    assert {column.name for column in numbers if not column.unit} <= MIXED_UNITS


def test_table_has_the_columns_of_its_schema(written):
    expected, table = written
    actual = pa.schema(table.schema().to_arrow())
    assert [(field.name, field.nullable) for field in actual] == [
        (column.name, column.nullable) for column in expected.columns
    ]
    assert schema.difference(actual, expected) == []


def test_table_stores_the_meaning_of_its_columns(written):
    expected, table = written
    assert table.metadata().description == expected.description
    metadata = {field.name: field.metadata for field in table.schema().fields}
    for column in expected.columns:
        assert metadata[column.name]["comment"] == column.comment
        assert metadata[column.name].get("unit") == column.unit


def test_table_is_partitioned_as_its_schema_says(written):
    expected, table = written
    assert tuple(table.metadata().partition_columns) == expected.partition_by


def test_table_has_the_constraints_of_its_schema(written):
    expected, table = written
    configuration = table.metadata().configuration
    present = {name: configuration[name] for name in configuration if name.startswith("delta.constraints.")}
    assert present.keys() == {f"delta.constraints.{name}" for name in expected.constraints}
    assert present


def test_table_keeps_every_version_and_row(written):
    expected, table = written
    configuration = table.metadata().configuration
    assert {name: configuration[name] for name in PROPERTIES} == PROPERTIES
    assert configuration["delta.appendOnly"] == "true"
    assert configuration["delta.enableExpiredLogCleanup"] == "false"
    assert configuration[SCHEMA_VERSION] == str(expected.version)
    assert "delta.setTransactionRetentionDuration" not in configuration


def test_table_needs_only_a_plain_reader(written):
    _, table = written
    assert table.protocol().min_reader_version == 1
