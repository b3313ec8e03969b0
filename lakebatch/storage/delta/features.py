"""Table features of other tools that change how a table is read or written."""

from __future__ import annotations

import deltalake

from lakebatch.errors import SchemaError

DELETIONS, MAPPING = "deletionVectors", "columnMapping"
# Features with which the files of a table are still its content
PLAIN = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "variantType"}
# Features with which polars reads a table with deletion vectors
READ_BY_POLARS = {DELETIONS, "timestampNtz", "variantType"}
# Features with which the engine appends; it refuses others only at the commit
WRITTEN = {
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "generatedColumns",
    "invariants",
    "timestampNtz",
    "v2Checkpoint",
    "variantType",
    DELETIONS,
    MAPPING,
}
ADVICE = "Have the tool that added it take it out again (ALTER TABLE ... DROP FEATURE), or make a plain copy with that tool."


def beyond_files(table: deltalake.DeltaTable) -> set[str]:
    """Return the features that keep the files of a table from being its content."""
    protocol = table.protocol()
    features = set(protocol.reader_features or ()) - PLAIN
    if protocol.min_reader_version == 2:
        features.add(MAPPING)
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") == "none":
        features.discard(MAPPING)  # supported, but not in use
    return features


def check_readable(table: deltalake.DeltaTable, uri: str) -> None:
    """Raise `SchemaError` if a table has a feature with which neither its files nor polars can be used to read it."""
    features = beyond_files(table)
    if DELETIONS in features and set(table.protocol().reader_features or ()) <= READ_BY_POLARS:
        return
    if features:
        raise SchemaError(
            f"{uri} needs {_listed(features)} to be read, which lakebatch does not know. {ADVICE}"
        )


def check_files(table: deltalake.DeltaTable, uri: str) -> None:
    """Raise `SchemaError` if the files of a table are not its content."""
    check_readable(table, uri)
    if features := beyond_files(table):
        raise SchemaError(
            f"{uri} needs {_listed(features)} to be read, which its files alone cannot answer. "
            "Read it with polars instead."
        )


def check_writable(table: deltalake.DeltaTable, uri: str) -> None:
    """Raise `SchemaError` if a table has a feature with which it cannot be read or appended to."""
    check_readable(table, uri)
    if unknown := set(table.protocol().writer_features or ()) - WRITTEN:
        raise SchemaError(
            f"{uri} needs {_listed(unknown)} to be written, which lakebatch does not know. {ADVICE}"
        )


def _listed(features: set[str]) -> str:
    return ", ".join(sorted(features))
