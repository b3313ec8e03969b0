"""The sections of a report on its assemblies: runs, configs, times, faults."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.captions import capital
from lakebatch.analysis.report.configs import RunConfig
from lakebatch.analysis.report.content import Code, Section, SectionPart
from lakebatch.analysis.report.tables import Table, table

LABELS = ("name", "user", "started_from", "note")
# columns that are left out where no assembly has a value


def run_section(data: AnalysisData, configs: Sequence[RunConfig]) -> Section:
    """Return a table of every assembly."""
    numbers = {name: each.number for each in configs for name in each.assemblies}
    runs = data.assemblies.with_columns(
        parts=pl.format("{} of {}", "parts_done", "parts_planned"),
        config_number=pl.col("assembly_id").replace_strict(numbers, default=None, return_dtype=pl.Int64),
        seed=pl.col("seed").cast(pl.String),
    )
    names = {
        "assembly_id": "assembly", "name": "name", "status": "status", "parts": "parts", "rows": "rows",
        "started_at": "started", "changed_at": "last change", "seed": "seed",
        "config_number": "config", "code_version": "lakebatch", "commit": "commit",
        "host": "machine", "user": "user", "started_from": "config of", "note": "note",
    }  # fmt: skip
    given = {
        column: name
        for column, name in names.items()
        if column not in LABELS or runs[column].null_count() < runs.height
    }
    return Section("runs", "Runs", (table(runs, "Every assembly, completed or not", given),))


def config_section(configs: Sequence[RunConfig]) -> Section:
    """Return each config by its differences from the nearest preset, then every one as a whole."""
    parts: list[SectionPart] = []
    for each in configs:
        runs = "1 assembly" if len(each.assemblies) == 1 else f"{len(each.assemblies)} assemblies"
        parts.append(f"Config {each.number}, run by {runs}: {_nearness(each)}")
        if each.differences:
            rows = tuple(
                (one_line(one.key), one_line(one.preset), one_line(one.value)) for one in each.differences
            )
            caption = f"Config {each.number}: differences from the preset {each.preset}"
            parts.append(Table(caption, ("key", f"preset {each.preset}", "here"), rows, (False,) * 3))
    whole = (
        Code(f"Config {each.number}, whole, as JSON", each.text, "json", folded=True) for each in configs
    )
    return Section("configs", "Configs", (*parts, *whole))


def _nearness(each: RunConfig) -> str:
    if not each.preset:
        return "the experiment's code is not installed, so it cannot be compared with presets."
    if not each.differences:
        return f"exactly the preset {each.preset}."
    keys = "one key" if len(each.differences) == 1 else f"{len(each.differences)} keys"
    return f"nearest to the preset {each.preset}, from which it differs in {keys}."


def time_section(data: AnalysisData) -> Section:
    """Return the durations of assemblies and fits."""
    runs = data.assemblies.join(
        data.rows.group_by("assembly_id").agg(pl.col("fit_seconds").sum()),
        on="assembly_id",
        how="left",
        maintain_order="left",
    ).with_columns(
        seconds=pl.when(status="completed").then(
            (pl.col("changed_at") - pl.col("started_at")).dt.total_milliseconds() / 1000
        )
    )
    seconds = pl.col("fit_seconds")
    of, rows = data.roles.groups[-1], data.words.row
    fits = data.rows.group_by(of).agg(
        fits=seconds.count(),
        mean=seconds.mean(),
        median=seconds.median(),
        max=seconds.max(),
        total=seconds.sum(),
    )
    by_run = {
        "assembly_id": "assembly",
        "seconds": "from start to end, s",
        "rows": "rows",
        "fit_seconds": f"in {rows}s, s",
        "host": "machine",
    }
    by_model = {
        of: data.roles.word(of),
        "fits": f"{rows}s",
        "mean": "mean, s",
        "median": "median, s",
        "max": "longest, s",
        "total": "total, s",
    }
    has_times = data.words.row == "fit" or fits["fits"].sum() > 0
    by_run = by_run if has_times else {name: by_run[name] for name in by_run if name != "fit_seconds"}
    parts = [table(runs, "By assembly; pauses before a resume are included", by_run)]
    if has_times:
        what = f"{capital(rows)}s by {data.roles.word(of)}"
        parts.append(table(fits.sort("total", descending=True), what, by_model))
    return Section("times", "Run times", tuple(parts))


def fault_section(data: AnalysisData) -> Section:
    """Return gaps, mixtures, failed assemblies, failed fits and dropped samples."""
    parts: list[SectionPart] = []
    if data.gaps.is_empty():
        whole = (
            "assembly and planned part"
            if data.roles.axis.baseline is None
            else "assembly, planned part and baseline"
        )
        parts.append(f"The dataset has no gap: every {whole} is present.")
    else:
        parts.append(
            table(
                data.gaps,
                "Gaps in the dataset",
                {"assembly_id": "assembly", "what": "missing"},
            )
        )
    parts += [f"{each}." for each in data.mixtures]
    failed = data.assemblies.drop_nulls("error")
    if not failed.is_empty():
        parts.append(
            table(
                failed,
                "Assemblies with an error",
                {"assembly_id": "assembly", "status": "status", "error": "error"},
            )
        )
    faults = (
        data.rows.drop_nulls("error")
        .group_by(*data.roles.groups, "error", maintain_order=True)
        .agg(fits=pl.len())
    )
    if faults.is_empty():
        parts.append(f"Every {data.words.row} has its metrics.")
    else:
        groups = {name: data.roles.word(name) for name in data.roles.groups}
        names = {**groups, "fits": f"{data.words.row}s", "error": "error"}
        what = f"{capital(data.words.row)}s without a metric"
        parts.append(table(faults.sort("fits", descending=True, maintain_order=True), what, names))
    lacking = data.assemblies.filter(pl.col("samples_dropped") > 0)
    if not lacking.is_empty():
        names = {
            "assembly_id": "assembly",
            "samples_dropped": "dropped",
            "samples_planned": "of",
            "drop_reason": "most frequent reason",
        }
        parts.append(
            table(lacking, "Samples dropped at all levels, since they could not be simulated", names)
        )
    return Section("faults", "Failures and gaps", tuple(parts))
