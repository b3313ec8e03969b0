"""The frames of one experiment behind its charts and reports, read from a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl

from lakebatch._text import redact
from lakebatch.analysis.config_keys import by_key
from lakebatch.analysis.config_names import config_names
from lakebatch.analysis.key_labels import key_label
from lakebatch.analysis.wording import (
    UNNAMED,
    Words,
    free,
    in_configured_order,
    spoken_names,
    without_clashes,
    words,
)
from lakebatch.assembly import dropped_samples
from lakebatch.assembly.dropped_samples import DroppedSamples
from lakebatch.assembly.metrics import Roles, text_of
from lakebatch.assembly.record import UNKNOWN_SEED, Assembly
from lakebatch.assembly.sweeps import Sweep
from lakebatch.assembly.tables import RESULTS
from lakebatch.columns import Column
from lakebatch.snapshot.changes import FilesOf, not_recorded
from lakebatch.snapshot.completeness import damage_gaps
from lakebatch.snapshot.dictionary import TableEntry
from lakebatch.snapshot.gaps import OnGap, report_gaps, to_frame
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.summary import summarize
from lakebatch.snapshot.sweeps import points_of

PLAN = {"assembly_id": pl.String, "part": pl.String, "length": pl.Int64, "run": pl.Int64, "place": pl.Int64}
SIZES = ("n_train", "n_test")
# Beside the roles; reasons of missing metrics are counted by model
MORE_COLUMNS = ("model", *SIZES, "fit_seconds", "error")


@dataclass(frozen=True)
class AnalysisData:
    """The frames of one experiment at one moment.

    Attributes
    ----------
    experiment : str
        The name of the experiment.
    qualified_name : str
        The name with the experiment version, as NAME@v1.
    shown_name : str
        The name in titles: with the experiment version if the lake has several.
    moment : str
        A description of the state.
    selection : str
        A description of the selected assemblies, in one line.
    options : list of str
        The options of a command that select them.
    arguments : mapping
        The keyword arguments in Python that select them.
    lake : str
        The URI of the lake; empty if it has no results of the experiment.
    results : TableEntry
        The results in the data dictionary.
    columns : mapping
        The columns of the results by the names that they have in ``rows``, with their meaning.
    config_numbers : mapping
        The number of each config by its hash.
    version : int
        The version of the results table.
    rows : frame
        Rows of ``results`` of the included assemblies, with the ``cohort`` of each and the name of its ``config``. Values
        of groups are words that sort as configs list them; those of an axis that is no number sort as in the plan.
    roles : Roles
        The metrics, the axis and the groups, by the names that their columns have in ``rows``.
    words : Words
    key : str, optional
        The config key whose values ``config`` are.
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
    label_of : callable
        Returns the label of a config key; None if the installed code does not say, see `lakebatch.analysis.key_labels`.
    sweeps : sequence of Sweep
        The sweeps at the moment.
    sweep_points : frame
        One row per replicate of each of their points, see `lakebatch.snapshot.sweeps.point_table`.
    """

    experiment: str
    qualified_name: str
    shown_name: str
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
    results: TableEntry
    roles: Roles = field(default_factory=Roles)
    words: Words = field(default_factory=Words)
    key: str | None = None
    source_files: FilesOf = not_recorded
    label_of: Callable[[str], str | None] = lambda _: None
    sweeps: Sequence[Sweep] = ()
    sweep_points: pl.DataFrame = field(default_factory=pl.DataFrame)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    lake: str = ""
    columns: Mapping[str, Column] = field(default_factory=dict)


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
    rows = _rows(snapshot, on_gap)
    rows = _with_origin(rows, snapshot.assemblies)
    mixtures = snapshot.report_mixtures()
    roles = without_clashes(snapshot.roles)
    return AnalysisData(
        experiment=snapshot.name,
        qualified_name=snapshot.qualified_name,
        shown_name=snapshot.shown_name,
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
        results=snapshot.dictionary(RESULTS)[RESULTS],
        roles=roles,
        words=words(roles, has_splits=rows["n_train"].null_count() < rows.height),
        key=key,
        source_files=snapshot.source_files,
        label_of=partial(key_label, snapshot),
        sweeps=snapshot.sweeps,
        sweep_points=points_of(snapshot),
        arguments=snapshot.selection.arguments,
        lake=redact(snapshot.lake_uri),
        columns=_columns(snapshot),
    )


def _columns(snapshot: Snapshot) -> dict[str, Column]:
    results = snapshot.table()
    described = {} if results is None else results.described_columns
    return {**described, **{free(name): each for name, each in described.items()}}


def _rows(snapshot: Snapshot, on_gap: OnGap) -> pl.DataFrame:
    """Return the rows in order, with the names and types that statistics use.

    A group of numbers becomes one of strings such as "depth 5", which say in a legend what the number is.
    """
    roles = snapshot.roles
    axis, groups = roles.axis.name, roles.groups
    keys = list(dict.fromkeys(["assembly_id", axis, "part", *groups, "repeat"]))
    columns = list(dict.fromkeys([*keys, *MORE_COLUMNS, *roles.names]))
    rows = snapshot.collected(None, lambda rows: rows.select(columns), on_gap=on_gap)
    texts = [name for name in groups if rows.schema[name] != pl.String]
    rows = rows.sort(keys, maintain_order=True)
    named = [pl.format("{} {}", pl.lit(roles.word(name)), as_text(rows[name])).alias(name) for name in texts]
    rows = rows.with_columns(named)
    rows = rows.with_columns(_in_words(rows[name], snapshot.assemblies) for name in groups)
    if not roles.axis.is_number:
        rows = _in_plan_order(rows.with_columns(as_text(rows[axis])), axis, snapshot.assemblies)
    return rows.rename({name: free(name) for name in (axis, *groups)})


def _in_words(values: pl.Series, records: Sequence[Assembly]) -> pl.Series:
    """Return the values of a group as words that sort as configs list them."""
    distinct = values.drop_nulls().unique().to_list()
    order = in_configured_order(distinct, records)
    words_of = spoken_names(order)
    dtype = pl.Enum(list(dict.fromkeys([*words_of.values(), UNNAMED])))
    return values.replace_strict(words_of, return_dtype=dtype)


def as_text(values: pl.Series) -> pl.Series:
    """Return values of a group or of an axis as strings."""
    texts = {value: text_of(value) for value in values.unique().drop_nulls()}
    return pl.Series(
        values.name, [None if value is None else texts[value] for value in values], dtype=pl.String
    )


def _in_plan_order(rows: pl.DataFrame, axis: str, records: Sequence[Assembly]) -> pl.DataFrame:
    """Return rows whose values of the axis sort in the order of the parts of the longest, then newest plan that has them."""
    places = [
        (each.assembly_id, part, len(each.parts), each.run_number, place)
        for each in records
        for place, part in enumerate(each.parts)
    ]
    plan = pl.DataFrame(places, schema=PLAN, orient="row")
    found = rows.select("assembly_id", "part", axis).drop_nulls().unique()
    ranked = found.join(plan, on=["assembly_id", "part"], how="left").sort(
        "length", "run", "place", axis, descending=[True, True, False, False], nulls_last=True
    )
    order = ranked[axis].unique(maintain_order=True)
    return rows.with_columns(pl.col(axis).cast(pl.Enum(order)))


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
