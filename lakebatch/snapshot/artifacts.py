"""The artifacts of an experiment at one moment: listed without their contents, and read with a check of the hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import polars as pl

from lakebatch._text import nearest
from lakebatch.artifacts import ARTIFACTS, CONTENT, MAX_BYTES, Content, sha256_of
from lakebatch.assembly.record import Include
from lakebatch.errors import ConfigError, DamageError, UnknownNameError
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.rows import PinnedRows
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.version import TableVersion, collect

KEYS = ("assembly_id", "part", "name")
MAX_NAMED = 5
# Artifacts that are read at once, so that each file is opened seldom and memory stays bounded
BATCH_ROWS, BATCH_BYTES = 200, MAX_BYTES


class StoredArtifact(NamedTuple):
    """A row of the list of artifacts, without the content."""

    assembly_id: str
    part: str
    name: str
    media_type: str
    size: int
    sha256: str


def listed(
    snapshot: PinnedRows,
    assembly_id: str | None = None,
    include: Include | None = None,
    on_gap: OnGap = "warn",
) -> pl.DataFrame:
    """Return one row per artifact, without the contents.

    Parameters
    ----------
    assembly_id : str, optional
        List those of this assembly alone, whatever its status.
    include : collection of str, optional
        The statuses of the assemblies; by default those of the snapshot.

    Raises
    ------
    UnknownNameError
        If there is no such assembly.
    DamageError
        If a file cannot be read, unless ``on_gap`` is "ignore".
    """
    ids = snapshot.ids(include) if assembly_id is None else [snapshot.assembly(assembly_id).assembly_id]
    if snapshot.table(ARTIFACTS) is None and ARTIFACTS not in snapshot.tables.not_published:
        return pl.DataFrame(schema=load_schema(ARTIFACTS).in_datasets)

    def read(pinned: TableVersion, ids: list[str]) -> pl.DataFrame:
        return collect(snapshot.rows_of(pinned, ids))

    return snapshot.tables.read(ARTIFACTS, ids, on_gap, read).sort(KEYS, maintain_order=True)


def find(snapshot: PinnedRows, assembly_id: str, name: str, part: str | None = None) -> StoredArtifact:
    """Return one artifact of an assembly by name, without its content.

    Raises
    ------
    UnknownNameError
        If there is none of that name, or no such part.
    ConfigError
        If several parts have one of that name, and none is chosen.
    """
    rows = _of_part(snapshot, assembly_id, part)
    found = rows.filter(pl.col("name") == name)
    if found.is_empty():
        raise UnknownNameError(
            f"{assembly_id} has no artifact {name!r}. {nearest(name, rows['name'].unique())}"
        )
    if found.height > 1:
        raise ConfigError(
            f"{name!r} is in {found.height} parts of {assembly_id}: {_some(found)}. Name one with part=PART (--part)."
        )
    return _artifacts(found)[0]


def read(snapshot: PinnedRows, artifact: StoredArtifact) -> bytes:
    """Return the content of one artifact.

    Raises
    ------
    DamageError
        If it cannot be read, or does not have the recorded hash.
    """
    return _checked(artifact, _contents(snapshot, [artifact]))


def read_all(
    snapshot: PinnedRows, assembly_id: str, part: str | None = None
) -> Iterator[tuple[StoredArtifact, bytes]]:
    """Yield each artifact of an assembly, or of a part of it, with its content, see `read`."""
    for batch in _batches(_artifacts(_of_part(snapshot, assembly_id, part))):
        contents = _contents(snapshot, batch)
        for each in batch:
            yield each, _checked(each, contents)


def _of_part(snapshot: PinnedRows, assembly_id: str, part: str | None) -> pl.DataFrame:
    """Return the list of an assembly, or of a part of it."""
    rows = listed(snapshot, assembly_id)
    if rows.is_empty():
        raise UnknownNameError(f"{assembly_id} has no artifacts.")
    parts = rows["part"].unique().to_list()
    if part is not None and part not in parts:
        raise UnknownNameError(f"{assembly_id} has no artifacts of part {part!r}. {nearest(part, parts)}")
    return rows if part is None else rows.filter(pl.col("part") == part)


def _artifacts(rows: pl.DataFrame) -> list[StoredArtifact]:
    return [StoredArtifact(*row) for row in rows.select(StoredArtifact._fields).iter_rows()]


def _some(found: pl.DataFrame) -> str:
    more = ", ..." if found.height > MAX_NAMED else ""
    return ", ".join(found["part"].head(MAX_NAMED)) + more


def _batches(artifacts: list[StoredArtifact]) -> Iterator[list[StoredArtifact]]:
    batch: list[StoredArtifact] = []
    size = 0
    for each in artifacts:
        if batch and (
            each.part != batch[0].part or len(batch) == BATCH_ROWS or size + each.size > BATCH_BYTES
        ):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.size
    if batch:
        yield batch


def _contents(snapshot: PinnedRows, wanted: list[StoredArtifact]) -> Mapping[str, bytes | None]:
    """Return the contents of artifacts of one part by name."""
    of_these = (pl.col("part") == wanted[0].part) & pl.col("name").is_in([each.name for each in wanted])

    def read(pinned: TableVersion, ids: list[str]) -> pl.DataFrame:
        return collect(snapshot.rows_of(pinned, ids, whole=True).filter(of_these).select("name", CONTENT))

    return dict(snapshot.tables.read(ARTIFACTS, [wanted[0].assembly_id], "warn", read).iter_rows())


def _checked(artifact: StoredArtifact, contents: Mapping[str, bytes | None]) -> bytes:
    content = contents.get(artifact.name) or b""  # another tool can write NULL
    if (actual := sha256_of(content)) != artifact.sha256:
        raise DamageError(
            f"artifact {artifact.name!r} of part {artifact.part} of {artifact.assembly_id} is damaged: the SHA-256 of "
            f"its content is {actual}, recorded is {artifact.sha256}. Look closer with: lakebatch doctor --deep"
        )
    return Content(content, artifact.name, artifact.media_type)
