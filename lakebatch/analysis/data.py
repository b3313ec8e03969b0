"""The frames of one experiment behind its charts and reports, read from a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from lakebatch import metrics
from lakebatch.assembly.record import Assembly, Status
from lakebatch.snapshot import mixture
from lakebatch.snapshot.completeness import damage_gaps
from lakebatch.snapshot.gaps import OnGap, report_gaps, to_frame
from lakebatch.snapshot.snapshot import COMPLETED, Snapshot
from lakebatch.snapshot.summary import summarize

KEYS = ("assembly_id", "level", "part", "feature_set", "model", "repeat")
RESULT_COLUMNS = (*KEYS, "n_train", "n_test", *metrics.NAMES, "fit_seconds", "error")


@dataclass(frozen=True)
class AnalysisData:
    """The frames of one experiment at one moment.

    Attributes
    ----------
    experiment : str
        The name of the experiment.
    qualified_name : str
        The name with the experiment version, as NAME@v1.
    moment : str
        A description of the state.
    version : int
        The version of the results table.
    rows : frame
        Rows of ``results`` of the included assemblies.
    assemblies : frame
        One row per assembly, included or not.
    records : list of Assembly
        The assemblies at the moment.
    gaps : frame
        The gaps in the rows: assembly_id, what.
    mixtures : mapping
        A description of each assembly that different code computed, by id.
    """

    experiment: str
    qualified_name: str
    moment: str
    version: int
    rows: pl.DataFrame
    assemblies: pl.DataFrame
    records: list[Assembly]
    gaps: pl.DataFrame
    mixtures: Mapping[str, str]


def read(
    snapshot: Snapshot, *, include: Collection[Status] = COMPLETED, on_gap: OnGap = "warn"
) -> AnalysisData:
    """Return the frames of a snapshot.

    Raises
    ------
    IncompleteError
        If there is a gap and ``on_gap`` is "refuse".
    DamageError
        If a file of one of the assemblies cannot be read, unless ``on_gap`` is "ignore".
    """
    gaps = snapshot.gaps(include)
    report_gaps(gaps, on_gap)
    rows = snapshot.collected(include, lambda rows: rows.select(RESULT_COLUMNS), on_gap=on_gap)
    mixture.report(snapshot.mixed(include), on_gap)
    return AnalysisData(
        experiment=snapshot.name,
        qualified_name=snapshot.qualified_name,
        moment=describe(snapshot),
        version=snapshot.version,
        rows=rows.sort(KEYS, maintain_order=True),
        assemblies=summarize(snapshot),
        records=snapshot.assemblies,
        gaps=to_frame([*damage_gaps(snapshot, include), *gaps]),
        mixtures=snapshot.mixtures(include),
    )


def describe(snapshot: Snapshot) -> str:
    """Return a description of the state of a snapshot, with its version."""
    version, moment = f"version {snapshot.version}", str(snapshot.moment)
    return (
        version
        if not snapshot.moment.is_past or moment == version
        else f"{moment}, version {snapshot.version}"
    )
