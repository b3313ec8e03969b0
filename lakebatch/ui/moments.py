"""The moments of a lake at which something was recorded, for the walk through past states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from lakebatch.assembly.tags import Tag
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.snapshot.moment import NEWEST, Moment
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta import omissions
from lakebatch.ui.page_state import PageState, as_text

SCHEMA = {"at": pl.Datetime("us", "UTC"), "what": pl.String()}
IS_NOTE = pl.col("note").is_not_null() & (pl.col("status") == pl.col("status").shift(1).over("assembly_id"))
WHAT = (
    pl.when(IS_NOTE)
    .then(pl.lit("note"))
    .when((pl.col("status") == "started") & (pl.col("event") > 0))
    .then(pl.lit("resumed"))
    .otherwise("status")
)


def moments(stored: Sequence[StoredExperiment]) -> pl.DataFrame:
    """Return each time at which an event or a tag was recorded, oldest first, as ``at`` and ``what`` happened."""
    found = [pl.DataFrame(schema=SCHEMA)]
    for each in stored:
        with omissions.warn_and_skip(each.reference):
            found.append(_events(each))
        found.append(_tags(each))
    return pl.concat(found).sort("at").group_by("at", maintain_order=True).agg(pl.col("what").str.join("; "))


def _events(stored: StoredExperiment) -> pl.DataFrame:
    name = pl.lit(stored.reference)
    rows = stored.log.read().rows.sort("run_number", "event")
    return rows.select("at", what=pl.format("{} {} {}", name, "assembly_id", WHAT)).cast(pl.Schema(SCHEMA))


def _tags(stored: StoredExperiment) -> pl.DataFrame:
    rows = [(each.at, f"{stored.reference} tag {each.tag}") for each in tags_of(stored)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def tags_of(stored: StoredExperiment) -> list[Tag]:
    """Return the tags of an experiment; none, with a warning, if they cannot be read."""
    found: list[Tag] = []
    with omissions.warn_and_skip(stored.reference):
        found.extend(stored.tag_log.all())
    return found


@dataclass(frozen=True)
class Place:
    """The place of a page among the moments.

    Attributes
    ----------
    number, count : int
        Its number from 1, and the number of moments; 0 before the first.
    at : datetime, optional
        The time of the last event of the state.
    what : str
        What happened then.
    before, after : datetime, optional
        The moments around it.
    """

    number: int
    count: int
    at: datetime | None
    what: str
    before: datetime | None
    after: datetime | None


def place(moment: Moment, found: pl.DataFrame, snapshots: Mapping[str, Snapshot]) -> Place:
    """Return the place of a state among the moments of its experiments."""
    last = found["at"].max() if moment == NEWEST else moment.time or _last(snapshots)
    number = 0 if last is None else int((found["at"] <= last).sum())
    return Place(
        number,
        found.height,
        _time(found, number - 1),
        found["what"][number - 1] if number else "",
        _time(found, number - 2),
        _time(found, number),
    )


def _last(snapshots: Mapping[str, Snapshot]) -> Any:
    """Return the time of the last event of a tag or a version."""
    ends = [each.events["at"].max() for each in snapshots.values() if each.events.height]
    return max((each for each in ends if isinstance(each, datetime)), default=None)


def _time(found: pl.DataFrame, index: int) -> datetime | None:
    value = found["at"][index] if 0 <= index < found.height else None
    return value if isinstance(value, datetime) else None


def listed(found: pl.DataFrame) -> dict[str, list[str]]:
    """Return the moments as addresses name them, and what happened."""
    return {"at": [as_text(each) for each in found["at"].to_list()], "what": found["what"].to_list()}


def at(state: PageState, time: datetime | None) -> PageState | None:
    """Return the same selection at a time; None without one."""
    return None if time is None else state.at(Moment(time=time))
