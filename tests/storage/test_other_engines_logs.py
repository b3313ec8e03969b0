"""What other engines leave in a log: checksums, checkpoints of several files, checkpoints of version 2."""

from __future__ import annotations

import json
from pathlib import Path

import deltalake
import polars as pl
import pyarrow.parquet as pq
import pytest

import lakebatch
from lakebatch.storage.delta.log import POINTER, Log

UUID = "80a083e8-7026-4e79-81be-64bd76c43a11"


@pytest.fixture
def log(copied_lake) -> Path:
    """Return the log of a table with a checkpoint."""
    folder = Path(copied_lake.storage.uri, "90_v1_toy", "results")
    deltalake.DeltaTable(str(folder)).create_checkpoint()
    return folder / "_delta_log"


def faults(log: Path) -> list[str]:
    storage = lakebatch.open_lake(log.parents[2]).storage
    return [f"{Path(each.file).name} {each.what}" for each in Log(storage, "90_v1_toy/results").faults]


def classic(log: Path) -> Path:
    (file,) = log.glob("*.checkpoint.parquet")
    return file


def in_two_files(log: Path) -> list[Path]:
    """Write the checkpoint as two files, as Spark does with a large one."""
    file = classic(log)
    rows = pq.read_table(file)
    parts = [
        file.with_name(f"{file.name[:20]}.checkpoint.{number:010d}.0000000002.parquet") for number in (1, 2)
    ]
    for part, piece in zip(parts, (rows.slice(0, 3), rows.slice(3)), strict=True):
        pq.write_table(piece, part)
    file.unlink()
    pointer = {"version": int(file.name[:20]), "size": rows.num_rows, "parts": 2}
    (log / POINTER).write_text(json.dumps(pointer))
    return parts


def with_sidecar(log: Path, kind: str) -> tuple[Path, Path]:
    """Write the checkpoint by the protocol's version 2: a head, and the files of the table in a sidecar."""
    file, version = classic(log), int(classic(log).name[:20])
    rows = pq.read_table(file)
    is_file = [each["add"] is not None or each["remove"] is not None for each in rows.to_pylist()]
    sidecar = log / "_sidecars" / f"{UUID}.parquet"
    sidecar.parent.mkdir()
    pq.write_table(rows.filter(is_file).select(["add", "remove"]), sidecar)
    described = {"path": sidecar.name, "sizeInBytes": sidecar.stat().st_size, "modificationTime": 0}
    head = file.with_name(f"{file.name[:20]}.checkpoint.{UUID}.{kind}")
    if kind == "json":
        others = [each for each, of_file in zip(rows.to_pylist(), is_file, strict=True) if not of_file]
        actions = [{key: value for key, value in each.items() if value is not None} for each in others]
        actions += [{"checkpointMetadata": {"version": version}}, {"sidecar": described}]
        head.write_text("".join(json.dumps(each, default=dict) + "\n" for each in actions))
    else:
        frame = pl.from_arrow(rows.filter([not each for each in is_file]))
        last = pl.DataFrame({"checkpointMetadata": [{"version": version}], "sidecar": [described]})
        assert isinstance(frame, pl.DataFrame)
        pl.concat([frame.drop(last.columns, strict=False), last], how="diagonal").write_parquet(head)
    file.unlink()
    (log / POINTER).write_text(json.dumps({"version": version, "size": rows.num_rows}))
    return head, sidecar


def heal(log: Path) -> None:
    stored = lakebatch.open_lake(log.parents[2])["toy"]
    assert set(stored.repair(dry_run=False)["state"]) == {"healed"}
    assert faults(log) == []
    assert deltalake.DeltaTable(str(log.parent)).to_pyarrow_table().num_rows == 24


def test_checkpoint_of_several_files_is_sound_until_one_is_lost_or_damaged(log):
    first, second = in_two_files(log)
    assert faults(log) == []
    assert lakebatch.open_lake(log.parents[2])["toy"].results.at().file_table.height == 8
    content = first.read_bytes()
    first.write_bytes(content[:-9])
    (text,) = faults(log)
    assert text.startswith(f"{first.name} cannot be read")
    first.write_bytes(content)
    second.unlink()
    assert faults(log) == [f"{second.name} is missing"]
    heal(log)


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_checkpoint_with_sidecars_is_sound_until_one_is_lost_or_damaged(log, kind):
    head, sidecar = with_sidecar(log, kind)
    assert faults(log) == []
    content = head.read_bytes()
    head.write_bytes(content[: len(content) // 2])
    (text,) = faults(log)
    assert text.startswith(f"{head.name} cannot be read")
    head.write_bytes(content)
    sidecar.write_bytes(b"PAR1")
    (text,) = faults(log)
    assert text.startswith(f"{sidecar.name} cannot be read")
    sidecar.unlink()
    assert faults(log) == [f"{sidecar.name} is missing"]
    heal(log)


def test_checksums_of_other_engines_are_no_fault_unless_damaged(log):
    file = log / "00000000000000000003.crc"
    file.write_text(json.dumps({"tableSizeBytes": 7, "numFiles": 3, "numMetadata": 1, "numProtocol": 1}))
    (log / ".00000000000000000003.json.crc").write_bytes(b"crc\0")
    (log / "_commits").mkdir()
    (log / "_commits" / f"00000000000000000003.{UUID}.json").write_text("{}")
    assert faults(log) == []
    file.write_text('{"tableSizeBytes": 7')
    assert faults(log) == [f"{file.name} is no checksum: it is cut off or damaged"]
    (fault,) = Log(lakebatch.open_lake(log.parents[2]).storage, "90_v1_toy/results").faults
    assert fault.is_harmless


@pytest.mark.parametrize(
    "path",
    ["_SUCCESS", ".part-0.parquet.crc", "_change_data/cdc-0.parquet", "_committed_123", "_started_123"],
)
def test_files_beside_the_data_are_neither_orphans_nor_left_over(log, copied_lake, path):
    file = log.parent / path
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x")
    found = copied_lake.doctor("toy").filter(pl.col("severity") != "ok", pl.col("check") != "unfinished")
    assert found.is_empty()
