"""Tables with Delta features set by other tools: read if that is safe, else refused in one line."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, TableFeatures

import lakebatch
from lakebatch.cli import main
from lakebatch.errors import SchemaError, StorageError
from lakebatch.maintenance.optimize import METADATA

WRITER = ["appendOnly", "invariants", "checkConstraints"]
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
COMMANDS = (
    ("status",),
    ("reassemble", "toy"),
    ("sql", "--on-gap", "refuse", "SELECT count(*) AS n FROM toy.results"),
    ("sql", "--print-setup"),
    ("run", "toy", "--jobs", "1"),
)


def actions(table: Path) -> list[dict]:
    entries = sorted((table / "_delta_log").glob("*.json"))
    return [json.loads(line) for entry in entries for line in entry.read_text().splitlines()]


def commit(table: Path, *added: dict) -> None:
    """Commit actions as another tool does."""
    version = len(list((table / "_delta_log").glob("*.json")))
    (table / "_delta_log" / f"{version:020d}.json").write_text("\n".join(map(json.dumps, added)))


def protocol(reader: list[str], writer: list[str] | None = None) -> dict:
    given = WRITER + (reader if writer is None else writer)
    versions = {"minReaderVersion": 3, "minWriterVersion": 7}
    return {"protocol": versions | {"readerFeatures": reader, "writerFeatures": given}}


def mapped(table: Path) -> dict:
    """Return the metadata of a table with column mapping."""
    metadata = [each["metaData"] for each in actions(table) if "metaData" in each][-1]
    schema = json.loads(metadata["schemaString"])
    for number, field in enumerate(schema["fields"], 1):
        names = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": field["name"]}
        field["metadata"] |= names
    conf = metadata["configuration"] | {
        "delta.columnMapping.mode": "name",
        "delta.columnMapping.maxColumnId": "99",
    }
    return {"metaData": metadata | {"schemaString": json.dumps(schema), "configuration": conf}}


def deletion_vector(row: int) -> dict:
    """Return a deletion vector for one row of a file."""
    bitmap = struct.pack("<IIHHIH", 12346, 1, 0, 0, 16, row)
    data = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    size, data = len(data), data + b"\0" * (-len(data) % 4)
    words = [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]
    text = "".join(DIGITS[word // 85**place % 85] for word in words for place in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": size, "cardinality": 1}


@pytest.fixture
def results(stored) -> Path:
    """Return the results of the toy after one run."""
    return Path(stored.results.uri)


@pytest.mark.parametrize("table", ["results", "assemblies"])
@pytest.mark.parametrize(
    "change",
    [
        lambda table: commit(table, protocol(["v2Checkpoint", "timestampNtz"])),
        lambda table: commit(table, {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}),
        lambda table: DeltaTable(table).alter.add_feature(
            TableFeatures.ColumnMapping, allow_protocol_versions_increase=True
        ),
    ],
    ids=["v2Checkpoint", "reader version 2", "column mapping that is not used"],
)
def test_feature_that_keeps_the_meaning_of_files_is_accepted(results, lake, change, table):
    change(results.parent / table)
    for arguments in COMMANDS:
        done = CliRunner().invoke(main, ["--lake", lake.storage.uri, *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
    assert lakebatch.open_lake(lake.storage.uri)["toy"].reassemble(on_gap="refuse").height == 18
    assert "problem" not in set(lake.doctor(deep=True)["severity"])


def test_feature_without_write_support_is_refused_before_computing(results, lake):
    commit(results, protocol(["vacuumProtocolCheck"]))
    stored = lakebatch.open_lake(lake.storage.uri)["toy"]
    assert stored.reassemble(on_gap="refuse").height == 9
    computed = Path("computed").read_text()
    with pytest.raises(SchemaError, match=r"results needs vacuumProtocolCheck to be written.* DROP FEATURE"):
        lakebatch.run(lake, "toy", jobs=1)
    assert Path("computed").read_text() == computed
    assert stored.assemblies().height == 1
    with pytest.raises(StorageError, match=r"Cannot write .*\[VacuumProtocolCheck\].* DROP FEATURE"):
        stored.results.mark(METADATA)


@pytest.mark.parametrize("feature", ["typeWidening", "columnMapping"])
def test_feature_that_changes_the_meaning_of_files_is_refused_everywhere(results, lake, feature):
    commit(
        results,
        protocol([feature]),
        mapped(results) if feature == "columnMapping" else {"txn": {"appId": "a", "version": 1}},
    )
    for arguments in COMMANDS[1:]:
        done = CliRunner().invoke(main, ["--lake", lake.storage.uri, *arguments], catch_exceptions=False)
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1), done.output
        assert f"Error: {results} needs {feature} to be read, which lakebatch does not know." in done.stderr
    problems = lakebatch.open_lake(lake.storage.uri).doctor().filter(severity="problem")
    assert any(f"needs {feature} to be read" in each for each in problems["what"])


def test_rows_deleted_by_a_vector_are_left_out_by_every_reader(results, lake):
    (added,) = [each["add"] for each in actions(results) if "add" in each][-1:]
    removed = {key: added[key] for key in ("path", "partitionValues", "size")}
    entry = {"remove": removed | {"dataChange": True, "deletionTimestamp": 1, "extendedFileMetadata": True}}
    commit(
        results, protocol(["deletionVectors"]), entry, {"add": added | {"deletionVector": deletion_vector(1)}}
    )
    stored = lakebatch.open_lake(lake.storage.uri)["toy"]
    rows = stored.scan().collect()
    assert rows.height == 8
    counted = lake.sql("SELECT count(*) AS n FROM toy.results", on_gap="ignore")
    assert counted["n"].to_list() == [8]
    with pytest.raises(SchemaError, match=r"needs deletionVectors.*Read it with polars instead"):
        lake.snapshot().sql_setup()
