"""Assemblies of a lake as a table: progress, time since the last commit, time left."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from lakebatch._text import excerpt, one_line
from lakebatch.assembly import replica_sets
from lakebatch.assembly.dropped_samples import DroppedSamples
from lakebatch.assembly.missing_metrics import MissingMetrics
from lakebatch.assembly.record import EVERY_STATUS, Assembly, now
from lakebatch.assembly.sweep_claims import STATES
from lakebatch.cli.output import MAX_ROWS, is_narrow, wrap
from lakebatch.cli.render import render
from lakebatch.cli.stderr import sanitize
from lakebatch.errors import DamageWarning, warn
from lakebatch.snapshot import eta as pace
from lakebatch.snapshot import summary
from lakebatch.snapshot.selection import Selection
from lakebatch.snapshot.snapshots import Snapshots
from lakebatch.snapshot.summary import with_states
from lakebatch.snapshot.sweeps import SWEEP_COLUMNS
from lakebatch.storage.delta import omissions

if TYPE_CHECKING:
    from lakebatch.lake.experiment import StoredExperiment
    from lakebatch.lake.lake import Lake

EVERY_ASSEMBLY = Selection()
KNOWN = (
    "assembly_id", "status", "parts_done", "parts_planned", "rows", "started_at", "changed_at", "error", "without_metric",
    "metric_errors", "samples_dropped", "samples_planned", "drop_reason", "name", "user", "started_from", "note", "purged",
)  # fmt: skip
SCHEMA: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "experiment_version": pl.String(),
    **{name: summary.SUMMARY_COLUMNS[name] for name in KNOWN},
    "last_commit": pace.ESTIMATE_COLUMNS["last_commit"],
    **{name: pace.ESTIMATE_COLUMNS[name] for name in ("eta_seconds", "phase", "progress")},
    "mixture": pl.String(),
    "replicate": pl.String(),
    "replicates": pl.String(),
}
# ``replicate`` is the place in a set, and ``replicates`` the state of the set, beside its last assembly
MAX_NOTE = 200  # characters of the notes about an assembly
MAX_LINES = 5  # of assemblies with rows without a metric, or with dropped samples


def assembly_states(
    lake: Lake, name: str | None = None, selection: Selection = EVERY_ASSEMBLY
) -> pl.DataFrame:
    """Return one row per selected assembly, of any status, of a lake or of one of its experiments."""
    stored = [lake[name]] if name else lake.experiments()
    frames = [pl.DataFrame(schema=SCHEMA)]
    for each in _having(stored, selection):
        with omissions.warn_and_skip(each.reference, refuse=len(stored) == 1):
            pinned = each.at(selection.moment).select(selection, may_be_empty=len(stored) > 1)
            omissions.warn_of_faults(pinned.tables.lost)
            if without_event := sorted(pinned.without_event):
                warn(
                    f"Left out: {', '.join(without_event)}, with rows and without events. Look closer with: "
                    f"lakebatch doctor {each.reference}",
                    DamageWarning,
                )
            known = summary.summarize(pinned).join(
                pace.progress_estimates(pinned), on="assembly_id", maintain_order="left"
            )
            mixtures = pinned.mixtures(EVERY_STATUS)
            mixture = pl.col("assembly_id").replace_strict(mixtures, default=None, return_dtype=pl.String)
            origin = {"experiment": each.name, "experiment_version": each.experiment_version}
            known = known.with_columns(
                **{name: pl.lit(text) for name, text in origin.items()},
                mixture=mixture,
                **_replicates(pinned.assemblies),
            )
            frames.append(known.select(*SCHEMA))
    return pl.concat(frames)


def _having(stored: list[StoredExperiment], selection: Selection) -> list[StoredExperiment]:
    """Return the experiments that had begun at the moment; raise if none has a selected assembly."""
    if not (selection.moment.is_past or selection.narrows):
        return stored
    found = Snapshots.pin(stored, selection.moment).select(selection)
    folders = {each.folder for each in found.values()}
    return [each for each in stored if each.folder in folders or each.reference in found.damaged]


def _replicates(assemblies: list[Assembly]) -> dict[str, pl.Expr]:
    """Return the columns on sets of replicates."""
    places = {each.assembly_id: each.replicate.position for each in assemblies if each.replicate}
    states = {
        members[-1].assembly_id: replica_sets.describe(members)
        for members in replica_sets.of_sets(assemblies).values()
    }
    ids = pl.col("assembly_id")
    return {
        name: ids.replace_strict(values, default=None, return_dtype=pl.String)
        for name, values in (("replicate", places), ("replicates", states))
    }


def brief_sweeps(found: pl.DataFrame) -> pl.DataFrame:
    """Return sweeps as a table that fits a terminal: what is done of each, and the states of the others."""
    columns = ("experiment", "sweep", "keys", "points")
    rows = [
        (
            *(row.get(name) for name in columns),
            f"{row['done']}/{sum(row[state] for state in STATES)}",
            ", ".join(f"{row[state]} {state}" for state in STATES if row[state] and state != "done"),
        )
        for row in found.iter_rows(named=True)
    ]
    named = pl.DataFrame(rows, schema=[*columns, "done", "others"], orient="row")
    named = named if any(named["others"]) else named.drop("others")
    return named if "experiment" in found.columns else named.drop("experiment")


def sweep_states(lake: Lake, name: str | None = None) -> pl.DataFrame:
    """Return one row per sweep of a lake or of one of its experiments."""
    stored = [lake[name]] if name else lake.experiments()
    frames = [pl.DataFrame(schema={"experiment": pl.String(), **SWEEP_COLUMNS})]
    for each in stored:
        with omissions.warn_and_skip(each.reference, refuse=len(stored) == 1):
            frames.append(each.sweeps().select(pl.lit(each.reference).alias("experiment"), pl.all()))
    return pl.concat(frames)


def with_sweeps(table: str, sweeps: pl.DataFrame) -> str:
    """Return a table of assemblies with a table of sweeps below it, if there is any."""
    return table if sweeps.is_empty() else f"{table}\n\n{render(brief_sweeps(sweeps), 'table')}"


def join_version(found: pl.DataFrame) -> pl.DataFrame:
    """Return a table without ``experiment_version``; an experiment of which it shows several is called NAME@v1."""
    is_several = pl.col("experiment_version").n_unique().over("experiment") > 1
    qualified = pl.format("{}@{}", "experiment", "experiment_version")
    return found.with_columns(experiment=pl.when(is_several).then(qualified).otherwise("experiment")).drop(
        "experiment_version"
    )


def state_table(found: pl.DataFrame) -> str:
    """Return the assemblies as a table for people, as wide as the terminal; of many, the newest and those at work."""
    found, more = _newest(found)
    table = join_version(with_states(found)).select(
        "experiment",
        "assembly_id",
        "state",
        pl.format("{}/{}", "parts_done", "parts_planned").alias("parts"),
        "rows",
        "started_at",
        ((now() - pl.col("last_commit")).dt.total_seconds())
        .map_elements(pace.duration, pl.String)
        .alias("age"),
        pl.col("eta_seconds").map_elements(pace.duration, pl.String).alias("eta"),
        "error",
    )
    table = table if any(table["eta"]) else table.drop("eta")
    lines = [
        *_doing(found),
        *_lines(found, "replicates")[-MAX_LINES:],
        *_labels(found),
        *_lines(found, "mixture", "is a mixture: "),
        *_lines(found, "purged", "was "),
        *_missing_metrics(found),
        *_dropped(found),
    ]
    if is_narrow():
        lines = [*_lines(found, "error"), *lines]
        table = table.drop("rows", "started_at", "error")
    return "\n".join([render(table, "table"), *more, *(wrap(sanitize(each)) for each in lines)])


def _newest(found: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return the assemblies that a terminal shows, and a line with the count of the others."""
    if not sys.stdout.isatty() or found.height <= MAX_ROWS:
        return found, []
    is_at_work = pl.col("status") == "started"
    shown = found.filter(is_at_work | (pl.int_range(pl.len()).reverse() < MAX_ROWS))
    return shown, [f"{found.height - shown.height} earlier rows; see them all with --format csv"]


def _lines(found: pl.DataFrame, column: str, label: str = "") -> list[str]:
    """Return a line for each assembly with a value in a column."""
    named = found.drop_nulls(column).select("assembly_id", column).iter_rows()
    return [f"{assembly_id}{' ' if label else ': '}{label}{value}" for assembly_id, value in named]


def _doing(found: pl.DataFrame) -> list[str]:
    """Return a line for each assembly that is being computed: its phase, or its work and rate."""
    return _lines(found.with_columns(doing=pl.coalesce("progress", "phase")), "doing")


def _labels(found: pl.DataFrame) -> list[str]:
    """Return a line for each of the newest assemblies with a name, a note or an origin, and the count of the others."""
    labelled = found.filter(pl.any_horizontal(pl.col("name", "note", "started_from").is_not_null()))
    shown = labelled.tail(MAX_LINES).select("assembly_id", "name", "started_from", "note").iter_rows()
    more = labelled.height - MAX_LINES
    others = [f"{more} more assemblies have a name or a note; see: lakebatch status --format csv"]
    return [*(_labelled(*each) for each in shown), *(others if more > 0 else [])]


def _labelled(assembly_id: str, name: str | None, origin: str | None, note: str | None) -> str:
    about = [f"config of {origin}"] if origin else []
    about += [note] if note else []
    told = f": {excerpt(one_line('; '.join(about)), MAX_NOTE)}" if about else ""
    return f"{assembly_id}{f' ({name})' if name else ''}{told}"


def _missing_metrics(found: pl.DataFrame) -> list[str]:
    columns = ("without_metric", "rows", "metric_errors")
    return _counted(found, columns, MissingMetrics, "have rows without a metric")


def _dropped(found: pl.DataFrame) -> list[str]:
    columns = ("samples_dropped", "samples_planned", "drop_reason")
    return _counted(found, columns, DroppedSamples, "have dropped samples")


def _counted(
    found: pl.DataFrame, columns: tuple[str, str, str], kind: Callable[[int, int, str], object], what: str
) -> list[str]:
    """Return a line for each of the newest assemblies with a count above 0, and the count of the others.

    Parameters
    ----------
    columns : tuple of str
        The columns of the count, of the total and of the reason.
    kind : callable
        Returns from their values what the line says.
    """
    counted = found.filter(pl.col(columns[0]) > 0)
    more = counted.height - MAX_LINES
    shown = counted.tail(MAX_LINES).select("assembly_id", *columns).iter_rows()
    lines = [f"{assembly_id}: {kind(*values)}" for assembly_id, *values in shown]
    others = [f"{more} more assemblies {what}; see: lakebatch status --format csv"]
    return [*lines, *(others if more > 0 else [])]
