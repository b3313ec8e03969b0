"""Rows of earlier imports that are not what their files say to this version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from lakebatch.assembly.part_rows import stamped
from lakebatch.assembly.record import Assembly, now
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.legacy.batches import FILES, files_of
from lakebatch.legacy.files import Item, read_again
from lakebatch.legacy.frames.results import to_results
from lakebatch.legacy.survey import Survey
from lakebatch.storage.delta import damage


def report_wrong_rows(found: Survey, stored: StoredExperiment, present: Sequence[Assembly]) -> None:
    """Report the files of completed imports whose rows in the lake are others than an import would give now."""
    for owner in (each for each in present if each.status == "completed" and files_of(each)):
        for file, why in _wrong_files(found, stored, owner):
            found.report(
                "wrong rows",
                id=file["id"],
                file=file["file"],
                detail=f"{why}, completed in the lake. Take it out with: lakebatch discard {stored.name} "
                f"{owner.assembly_id} --reason TEXT, and import again",
            )


def _wrong_files(
    found: Survey, stored: StoredExperiment, owner: Assembly
) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the entry of each such file in the record of an assembly, with the reason."""
    items = {item.key: item for item in found.items}
    unreadable = {each.file: each.detail for each in found.findings if each.what == "unreadable file"}
    for file in owner.settings[FILES]:
        item = items.get((file["name"], file["id"], file["sha256"]))
        if item is not None:
            if different := _different_rows(found, stored, owner, file["part"], item):
                yield file, f"{different} of its {item.rows} rows are others now"
        elif file["file"] in unreadable:
            yield file, f"it cannot be imported now ({unreadable[file['file']]})"


def _different_rows(found: Survey, stored: StoredExperiment, owner: Assembly, part: str, item: Item) -> int:
    """Return how many rows of a file are not in the lake; if the lake has rows of no file, their number."""
    saved = _saved(stored, owner, part)
    results = to_results(read_again(found.source, item), item.level)
    if results is None:
        return saved.height
    written = stamped(results.rows, stored.results.schema, owner.assembly_id, part, now())
    columns = [name for name in saved.columns if name != "recorded_at"]
    return written.join(saved, on=columns, how="anti", nulls_equal=True).height or abs(
        written.height - saved.height
    )


def _saved(stored: StoredExperiment, owner: Assembly, part: str) -> pl.DataFrame:
    table, ids = stored.results.at(), [owner.assembly_id]
    return damage.read_rows(table, table.scan(ids).filter(pl.col("part") == part), ids)
