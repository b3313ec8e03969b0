"""All metadata strings stored in a lake: existing lakes hold them, so that none may change."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lakebatch

ASSEMBLY = re.compile(r"\d{8}_\d{6}_run\d{3}")
HASH = re.compile("[0-9a-f]{64}")

TRANSACTIONS = {
    "assemblies": {"lakebatch.run_number", "lakebatch.compaction", "ASSEMBLY"},
    "results": {"lakebatch.compaction", "ASSEMBLY"},
    "sources": {"HASH"},
    "sweeps": {"lakebatch.sweeps"},
    "tags": {"lakebatch.tags"},
    "logs": {"ASSEMBLY"},
    "frames": {"ASSEMBLY"},
    "published": {"lakebatch.compaction"},
}
METADATA = {
    "assemblies": {
        "lakebatch.assembly_id", "lakebatch.code_version", "lakebatch.copy", "lakebatch.event",
        "lakebatch.fingerprint",
    },
    "results": {
        "lakebatch.assembly_id", "lakebatch.attempt", "lakebatch.code_version", "lakebatch.config_hash",
        "lakebatch.copy", "lakebatch.event", "lakebatch.experiment", "lakebatch.fingerprint", "lakebatch.part",
    },
    "sources": {"lakebatch.copy", "lakebatch.fingerprint", "lakebatch.source_hash"},
    "sweeps": {"lakebatch.copy", "lakebatch.fingerprint", "lakebatch.sweep"},
    "tags": {"lakebatch.copy", "lakebatch.fingerprint", "lakebatch.tag"},
    "logs": {"lakebatch.assembly_id", "lakebatch.copy", "lakebatch.fingerprint"},
    "frames": {
        "lakebatch.assembly_id", "lakebatch.code_version", "lakebatch.config_hash",
        "lakebatch.experiment", "lakebatch.fingerprint", "lakebatch.part",
    },
    "published": {
        "lakebatch.assemblies_version", "lakebatch.code_version", "lakebatch.digest", "lakebatch.event",
        "lakebatch.results_version",
    },
}  # fmt: skip
EVENTS = {"started", "completed", "failed", "discarded", "optimized", "vacuumed", "noted", "published"}
PROPERTIES = {
    "delta.appendOnly": "true",
    "delta.dataSkippingNumIndexedCols": "0",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
}
FIELDS = {"comment", "unit"}
FOLDERS = {"assemblies", "frames", "leases", "logs", "published", "results", "sources", "sweeps", "tags"}


@pytest.fixture
def used_lake(toy, lake):
    """Return a lake after every operation that writes to its tables."""
    done = lakebatch.run(lake, toy, jobs=1)
    lakebatch.run(lake, toy, jobs=1, settings=["fail=[0.1]"])
    lakebatch.run(lake, toy, jobs=1, sweep={"seed": [1]}, sweep_name="s")
    experiment = lake[toy]
    experiment.tag("paper")
    experiment.note(done.assembly_id, "a note")
    experiment.discard(done.assembly_id, "a reason")
    experiment.restore(done.assembly_id, "a reason")
    lakebatch.verify(lake, toy, done.assembly_id)
    experiment.optimize()
    experiment.vacuum(dry_run=False, keep_days=0)
    executor = lakebatch.create_batch_executor(toy, "90", lake=lake.storage.uri)
    executor.generate_assembly_id(0.1)
    executor.save_batch_data(pd.DataFrame({"level": [0.1]}), "my_results")
    executor.mark_assembly_completed()
    return Path(lake.storage.uri) / "90_v1_toy"


def entries(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(folder.rglob("_delta_log/*.json")):
        for line in file.read_text().splitlines():
            yield file.relative_to(folder).parts[0], json.loads(line)


def test_lake_stores_the_same_strings_as_earlier_releases(used_lake):
    transactions, metadata, events = defaultdict(set), defaultdict(set), set()
    fields, properties = set(), {}
    for table, entry in entries(used_lake):
        if "txn" in entry:
            transactions[table].add(HASH.sub("HASH", ASSEMBLY.sub("ASSEMBLY", entry["txn"]["appId"])))
        info = {
            key: value for key, value in entry.get("commitInfo", {}).items() if key.startswith("lakebatch.")
        }
        metadata[table] |= info.keys()
        events |= {info[key] for key in ("lakebatch.event",) if key in info}
        for made in [entry["metaData"]] if "metaData" in entry else []:
            fields |= {
                key for field in json.loads(made["schemaString"])["fields"] for key in field["metadata"]
            }
            properties |= made["configuration"]
    assert transactions == TRANSACTIONS
    assert metadata == METADATA
    assert events == EVENTS
    assert fields == FIELDS
    own = {key: value for key, value in properties.items() if not key.startswith("delta.constraints.")}
    assert own == {**PROPERTIES, "lakebatch.schemaVersion": own["lakebatch.schemaVersion"]}
    assert {each.name for each in used_lake.iterdir()} == FOLDERS
