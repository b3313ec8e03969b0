"""The frames of one experiment behind its charts and reports, read from a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from lakebatch.analysis.config_keys import by_key
from lakebatch.analysis.config_names import config_names
from lakebatch.assembly import dropped_samples, metrics
from lakebatch.assembly.dropped_samples import DroppedSamples
from lakebatch.assembly.record import UNKNOWN_SEED, Assembly
from lakebatch.assembly.sweeps import Sweep
from lakebatch.snapshot.changes import FilesOf, not_recorded
from lakebatch.snapshot.completeness import damage_gaps
from lakebatch.snapshot.gaps import OnGap, report_gaps, to_frame
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.summary import summarize
from lakebatch.snapshot.sweeps import points_of

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
    selection : str
        A description of the selected assemblies, in one line.
    options : list of str
        The options of a command that select them.
    config_numbers : mapping
        The number of each config by its hash.
    version : int
        The version of the results table.
    rows : frame
        Rows of ``results`` of the included assemblies, with the ``cohort`` of each and the name of its ``config``.
    assemblies : frame
        One row per assembly, included or not.
    records : list of Assembly
        The assemblies at the moment.
    gaps : frame
        The gaps in the rows: assembly_id, what.
    mixtures : list of str
        Descriptions of the mixtures in the rows: of configs, code and packages, between and within assemblies.
    dropped : DroppedSamples
        The samples that were dropped in the included assemblies.
    source_files : callable
        Returns the source files with a source hash, by path; None if they are not recorded.
    sweeps : sequence of Sweep
        The sweeps at the moment.
    sweep_points : frame
        One row per replicate of each of their points, see `lakebatch.snapshot.sweeps.point_table`.
    """

    experiment: str
    qualified_name: str
    moment: str
    selection: str
    options: list[str]
    config_numbers: Mapping[str, int]
    version: int
    rows: pl.DataFrame
    assemblies: pl.DataFrame
    records: list[Assembly]
    gaps: pl.DataFrame
    mixtures: list[str]
    dropped: DroppedSamples
    source_files: FilesOf = not_recorded
    sweeps: Sequence[Sweep] = ()
    sweep_points: pl.DataFrame = field(default_factory=pl.DataFrame)


def read(snapshot: Snapshot, *, on_gap: OnGap = "warn", key: str | None = None) -> AnalysisData:
    """Return the frames of a snapshot; with a config key, ``config`` is the value at this key.

    Raises
    ------
    IncompleteError
        If there is a gap and ``on_gap`` is "refuse".
    DamageError
        If a file of one of the assemblies cannot be read, unless ``on_gap`` is "ignore".
    """
    gaps = snapshot.gaps()
    report_gaps(gaps, on_gap)
    rows = snapshot.collected(None, lambda rows: rows.select(RESULT_COLUMNS), on_gap=on_gap)
    rows = _with_origin(rows.sort(KEYS, maintain_order=True), snapshot.assemblies)
    mixtures = snapshot.report_mixtures()
    return AnalysisData(
        experiment=snapshot.name,
        qualified_name=snapshot.qualified_name,
        moment=snapshot.state_read,
        selection=snapshot.describe(),
        options=snapshot.selection.options,
        config_numbers=snapshot.config_numbers,
        version=snapshot.version,
        rows=rows if key is None else by_key(rows, snapshot.assemblies, key),
        assemblies=summarize(snapshot),
        records=snapshot.assemblies,
        gaps=to_frame([*damage_gaps(snapshot), *gaps]),
        mixtures=mixtures,
        dropped=dropped_samples.total(snapshot.dropped_samples(on_gap=on_gap).values()),
        source_files=snapshot.source_files,
        sweeps=snapshot.sweeps,
        sweep_points=points_of(snapshot),
    )


def _with_origin(rows: pl.DataFrame, records: Iterable[Assembly]) -> pl.DataFrame:
    """Return rows with the cohort and the config of their assembly.

    Assemblies of one seed and size share their cohort; each without a known seed has a cohort of its own.
    """
    read = set(rows["assembly_id"].unique())
    known = [each for each in records if each.assembly_id in read]
    seeds = {
        each.assembly_id: each.assembly_id if each.seed == UNKNOWN_SEED else str(each.seed) for each in known
    }
    origin = pl.DataFrame(
        {"assembly_id": seeds.keys(), "cohort": seeds.values(), "config": config_names(known).values()},
        schema=dict.fromkeys(("assembly_id", "cohort", "config"), pl.String),
    )
    size = (pl.col("n_train") + pl.col("n_test")).cast(pl.String).fill_null("unknown")
    joined = rows.join(origin, on="assembly_id", how="left", maintain_order="left")
    return joined.with_columns(cohort=pl.format("{} of {}", "cohort", size))
