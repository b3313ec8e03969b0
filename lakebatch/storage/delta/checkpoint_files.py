"""The files of checkpoints: one file, several of another engine, or a head with sidecars (version 2)."""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from lakebatch.errors import StorageError
from lakebatch.storage import Storage
from lakebatch.storage.place import StoredFile

SEVERAL = re.compile(r"(\d{20})\.checkpoint\.(\d{10})\.(\d{10})\.parquet")
"""One of the files of a checkpoint, with its number and their count."""
SIDECARS = "_sidecars"
VERSION_DIGITS = 20


class CheckpointFault(NamedTuple):
    """The version of a checkpoint, the damaged file and what is wrong with it, or the error that hides it."""

    version: int
    name: str
    what: str | StorageError


def find_faults(
    storage: Storage, folder: str, files: Sequence[StoredFile], present: Collection[str]
) -> Iterator[CheckpointFault]:
    """Yield the faults in the checkpoints of a log.

    Parameters
    ----------
    files : sequence of StoredFile
        The files of checkpoints that can be read, without sidecars.
    present : collection of str
        The names of all files of the log.
    """
    for file in files:
        version = int(file.path[:VERSION_DIGITS])
        try:
            sidecars = _sidecars(file.path, storage.read(f"{folder}/{file.path}"))
        except StorageError as error:
            yield CheckpointFault(version, file.path, error)
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
            yield CheckpointFault(version, file.path, f"cannot be read ({' '.join(str(error).split())})")
        else:
            yield from _faults_of_sidecars(storage, folder, version, sidecars, present)
    yield from _absent(present)


def _sidecars(name: str, content: bytes) -> list[str]:
    """Return the names of the sidecars that a file of a checkpoint leads to, after reading all of it."""
    if name.endswith(".json"):
        actions = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
        if not any("checkpointMetadata" in each for each in actions):
            raise ValueError("it has no checkpointMetadata")
    else:
        table = pq.read_table(io.BytesIO(content))
        actions = table.select(["sidecar"]).to_pylist() if "sidecar" in table.column_names else []
    found = [each["sidecar"]["path"] for each in actions if each.get("sidecar")]
    return [path.rpartition("/")[2] for path in found]


def _faults_of_sidecars(
    storage: Storage, folder: str, version: int, names: Sequence[str], present: Collection[str]
) -> Iterator[CheckpointFault]:
    paths = [f"{SIDECARS}/{name}" for name in names]
    for path in (path for path in paths if path not in present):
        yield CheckpointFault(version, path, "is missing")
    paths = [path for path in paths if path in present]
    for path, content in zip(paths, storage.read_each(f"{folder}/{path}" for path in paths), strict=True):
        if isinstance(content, StorageError):
            yield CheckpointFault(version, path, content)
            continue
        try:
            pq.read_table(io.BytesIO(content))
        except (pa.ArrowException, OSError) as error:
            yield CheckpointFault(version, path, f"cannot be read ({' '.join(str(error).split())})")


def _absent(present: Collection[str]) -> Iterator[CheckpointFault]:
    """Yield the files that a checkpoint of several files lacks, unless its version has another checkpoint."""
    whole = {
        name[:VERSION_DIGITS] for name in present if ".checkpoint." in name and not SEVERAL.fullmatch(name)
    }
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for match in filter(None, map(SEVERAL.fullmatch, sorted(present))):
        found[match[1], match[3]].add(match[2])
    for (version, count), parts in found.items():
        for number in range(1, int(count) + 1):
            if f"{number:010d}" not in parts and version not in whole:
                yield CheckpointFault(
                    int(version), f"{version}.checkpoint.{number:010d}.{count}.parquet", "is missing"
                )
