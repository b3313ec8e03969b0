"""Samples of an assembly that were dropped because they could not be simulated: their count and the main reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from lakebatch._text import one_line

KEY = "dropped_samples"
"""Environment key of the record in an assembly's last event; absent if none was dropped."""
FORM = {"samples": int, "of": int, "why": str}
MAX_REASON = 160
# characters of a reason


@dataclass(frozen=True)
class DroppedSamples:
    """Samples that models did not see.

    Attributes
    ----------
    samples : int
        Their count.
    of : int
        The count of all samples.
    why : str
        The most frequent reason; empty if there is no such sample.
    """

    samples: int
    of: int
    why: str

    def __str__(self) -> str:
        verb = "was" if self.samples == 1 else "were"
        return f"{self.samples} of {self.of} samples {verb} dropped{f' ({one_line(self.why)})' if self.why else ''}"

    def record(self) -> dict[str, Any]:
        """Return it as the tree that `from_record` reads."""
        return asdict(self)


def from_record(record: Mapping[str, Any]) -> DroppedSamples:
    """Return what the record of an assembly says."""
    return DroppedSamples(**{name: record[name] for name in FORM})


def is_record(record: Any) -> bool:
    """Whether a value in the record of an assembly has the form that `from_record` reads."""
    return isinstance(record, dict) and all(isinstance(record.get(name), kind) for name, kind in FORM.items())


def tally(samples: pl.LazyFrame) -> pl.LazyFrame:
    """Return the count of dropped samples for each assembly and reason."""
    is_dropped = pl.col("level").is_null() & pl.col("failure").is_not_null()
    return samples.filter(is_dropped).group_by("assembly_id", "failure").len()


def sizes(results: pl.LazyFrame) -> pl.LazyFrame:
    """Return the number of samples that models saw in each assembly, as ``assembly_id`` and ``size``."""
    return results.group_by("assembly_id").agg(size=(pl.col("n_train") + pl.col("n_test")).max())


def summarize(tallied: pl.DataFrame, size: int) -> DroppedSamples:
    """Return the dropped samples of one assembly.

    Parameters
    ----------
    tallied : frame
        Rows of `tally`.
    size : int
        The number of samples that models saw.

    >>> summarize(pl.DataFrame({"failure": ["it took 9 steps", "other"], "len": [2, 1]}), 97).why
    'it took 9 steps'
    """
    count = int(tallied["len"].sum())
    ranked = tallied.sort("len", "failure", descending=(True, False))
    why = "" if ranked.is_empty() else one_line(ranked["failure"][0])
    return DroppedSamples(
        count, count + size, why if len(why) <= MAX_REASON else f"{why[: MAX_REASON - 3]}..."
    )


def total(found: Iterable[DroppedSamples]) -> DroppedSamples:
    """Return the dropped samples of several assemblies together, with the reason of the one with most."""
    known = sorted(found, key=lambda each: -each.samples)
    return DroppedSamples(
        sum(each.samples for each in known),
        sum(each.of for each in known),
        known[0].why if known else "",
    )
