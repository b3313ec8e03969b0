"""What pictures and reports are made of: the frames of one experiment, read at one moment."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch.assembly import Status
from lakebatch.snapshot import COMPLETED, OnGap, report_gaps
from lakebatch.summary import list_gaps, summarize

if TYPE_CHECKING:
    from lakebatch.stored import StoredExperiment

KEYS = ("assembly_id", "level", "part", "feature_set", "model", "repeat")
NEEDED = (*KEYS, "n_train", "n_test", "mse", "r2", "pearson_r", "fit_seconds", "error")


@dataclass(frozen=True)
class Material:
    """The frames of one experiment at one moment.

    Attributes
    ----------
    experiment : str
        Its name.
    moment : str
        Which state this is, in words.
    version : int
        The version of the results table.
    rows : frame
        Rows of ``results`` of the assemblies that are included.
    assemblies : frame
        One row per assembly, included or not.
    gaps : frame
        What the rows lack: assembly_id, lacks.
    """

    experiment: str
    moment: str
    version: int
    rows: pl.DataFrame
    assemblies: pl.DataFrame
    gaps: pl.DataFrame


def read(
    stored: StoredExperiment,
    *,
    include: Collection[Status] = COMPLETED,
    on_gap: OnGap = "warn",
    **moment: Any,
) -> Material:
    """Return the frames of an experiment now, or at a moment: ``version=``, ``as_of=``.

    Raises
    ------
    IncompleteError
        If there is a gap and ``on_gap`` is "refuse".
    """
    chosen = {name: value for name, value in moment.items() if value is not None}
    snapshot = stored.snapshot(**chosen)
    report_gaps(snapshot.gaps(include), on_gap)
    return Material(
        experiment=stored.name,
        moment=describe_moment(chosen, snapshot.version),
        version=snapshot.version,
        rows=snapshot.scan(include).select(NEEDED).collect().sort(KEYS, maintain_order=True),
        assemblies=summarize(snapshot),
        gaps=list_gaps(snapshot, include),
    )


def describe_moment(moment: dict[str, Any], version: int) -> str:
    """Return in words which state of an experiment this is.

    >>> describe_moment({}, 7), describe_moment({"as_of": "2026-11-20"}, 4)
    ('version 7', '2026-11-20 (version 4)')
    """
    names = [str(value) for name, value in moment.items() if name != "version"]
    return f"{', '.join(names)} (version {version})" if names else f"version {version}"


def parse_moment(text: str) -> dict[str, Any]:
    """Return the moment that one word names: a version number, a time, or else a tag.

    >>> parse_moment("7"), parse_moment("2026-11-20"), parse_moment("paper")
    ({'version': 7}, {'as_of': '2026-11-20'}, {'tag': 'paper'})
    """
    if text.isdecimal():
        return {"version": int(text)}
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return {"tag": text}
    return {"as_of": text}
