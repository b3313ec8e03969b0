"""The table of the frames that were saved under one name, each exactly once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from lakebatch.assembly.tables import FRAMES, frames_table
from lakebatch.errors import AssemblyError, ConfigError
from lakebatch.ids import check_no_secret
from lakebatch.legacy.frames.columns import RESERVED, place, storable
from lakebatch.storage import Storage
from lakebatch.storage.delta.version import TableVersion

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)


class FrameTable:
    """The frames of one experiment that were saved under one name."""

    def __init__(self, storage: Storage, folder: str, name: str) -> None:
        self.name = check_frame_name(name)
        self.table = frames_table(storage, folder, name)

    def append(
        self, assembly_id: str, part: str, frame: pl.DataFrame, at: datetime, metadata: Mapping[str, str]
    ) -> bool:
        """Append a frame in one commit; return False if the table has the same frame already.

        Raises
        ------
        SchemaError
            If a column cannot be stored without loss.
        AssemblyError
            If the table has another frame of this assembly and part.
        """
        rows = storable(frame)

        def data_after(state: TableVersion, last: int) -> pl.DataFrame | None:
            present = state.scan()
            if last and _has_same(present, assembly_id, part, rows, self.name):
                return None
            return _stamped(rows.rename(place(rows, present.collect_schema())), assembly_id, part, at)

        self.table.ensure()
        written_by = {**metadata, "lakebatch.assembly_id": assembly_id, "lakebatch.part": part}
        return self.table.append_once(assembly_id, data_after, written_by)

    def read(self, assembly_ids: Sequence[str]) -> pl.DataFrame:
        """Return the frames of some assemblies, in that order, with the columns of the table."""
        order = pl.DataFrame({"assembly_id": assembly_ids}, schema={"assembly_id": pl.String()})
        chosen = self.table.at().scan(list(assembly_ids)).collect()
        numbered = chosen.join(order.with_row_index("place"), on="assembly_id", how="left")
        return numbered.sort("place", "part", "row", maintain_order=True).drop("place")


def check_frame_name(name: str) -> str:
    """Return the name if a folder can have it."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a name to save under. Expected up to 100 letters, digits, '_' or '-', "
            "e.g. response_noise_results."
        )
    return check_no_secret(name, "name to save under")


def frame_names(storage: Storage, folder: str) -> list[str]:
    """Return the names under which frames of an experiment were saved."""
    inside = replace(storage, uri=storage.join(folder, FRAMES))
    return [name for name in inside.folders() if NAME.fullmatch(name)]


def _has_same(present: pl.LazyFrame, assembly_id: str, part: str, rows: pl.DataFrame, name: str) -> bool:
    """Whether the table has a frame already; refuse another one in its place."""
    is_own = (pl.col("assembly_id") == assembly_id) & (pl.col("part") == part)
    saved = present.filter(is_own).collect().sort("row")
    if saved.is_empty():
        return False
    own = saved.select(column for column in saved if column.name not in RESERVED)
    used = {column.name for column in own if column.null_count() < saved.height}
    placed = place(rows, own.schema)
    has_columns = used <= set(placed.values()) <= set(own.columns)
    if has_columns and own.select(placed.values()).equals(rows.rename(placed)):
        return True
    raise AssemblyError(
        f"{assembly_id} already holds other rows as {name!r} ({part}), and nothing is overwritten. "
        "Begin a new assembly for them."
    )


def _stamped(rows: pl.DataFrame, assembly_id: str, part: str, at: datetime) -> pl.DataFrame:
    stamps = {
        "assembly_id": pl.lit(assembly_id),
        "part": pl.lit(part),
        "row": pl.int_range(pl.len(), dtype=pl.Int64()),
        "recorded_at": pl.lit(at).cast(pl.Datetime("us", "UTC")),
    }
    return rows.with_columns(**stamps)
