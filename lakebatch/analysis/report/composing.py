"""Composition of a report from its sections."""

from __future__ import annotations

from functools import partial

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots import Options
from lakebatch.analysis.report import findings, records
from lakebatch.analysis.report.configs import run_configs
from lakebatch.analysis.report.content import Content
from lakebatch.analysis.report.findings import Draw
from lakebatch.analysis.report.sweeps import sweep_sections
from lakebatch.analysis.report.tables import cell
from lakebatch.assembly import metrics, missing_metrics


def compose(data: AnalysisData, draw: Draw, options: Options) -> Content:
    """Return the content of a report.

    Parameters
    ----------
    draw : callable
        Draws a picture; the report names the error of a picture that cannot be drawn.
    """
    configs = run_configs(data.experiment, data.records, data.config_numbers)
    sections = [
        records.run_section(data, configs),
        records.config_section(configs),
        *sweep_sections(data, partial(findings.figure, draw), options, _metric(options)),
        findings.results_section(data, options),
        findings.picture_section(draw, options),
        findings.statistics_section(data, options),
        records.time_section(data),
        records.fault_section(data),
        records.provenance_section(data, configs),
    ]
    return Content(
        title=f"{data.experiment}: report",
        state=_state(data),
        facts=_facts(data),
        warnings=_warnings(data),
        sections=tuple(sections),
    )


def _metric(options: Options) -> tuple[str, str]:
    return options.metric, metrics.label(options.metric)


def _state(data: AnalysisData) -> str:
    changed = data.assemblies["changed_at"].max()
    return f"Dataset: {data.selection}. Last change recorded: {cell(changed)}."


def _facts(data: AnalysisData) -> tuple[tuple[str, str], ...]:
    rows, states = data.rows, data.assemblies["status"]
    return (
        ("experiment version", data.qualified_name.partition("@")[2]),
        ("completed assemblies", f"{int((states == 'completed').sum())} of {states.len()}"),
        ("fits", str(rows.height)),
        ("levels", ", ".join(f"{level:g}" for level in rows["level"].drop_nulls().unique().sort())),
        ("feature sets", one_line(", ".join(rows["feature_set"].drop_nulls().unique().sort()))),
        ("models", one_line(", ".join(rows["model"].drop_nulls().unique().sort()))),
    )


def _warnings(data: AnalysisData) -> tuple[str, ...]:
    gaps = [f"The dataset is incomplete. {_gap(*row)}." for row in data.gaps.rows()]
    mixtures = [one_line(f"{each}.") for each in data.mixtures]
    lacking = missing_metrics.tally(data.rows.lazy()).collect()
    missing = missing_metrics.summarize(lacking)
    dropped = [f"{data.dropped}."] if data.dropped.samples else []
    return (*gaps, *mixtures, *([f"{missing}."] if missing.rows else []), *dropped)


def _gap(assembly_id: str | None, what: str) -> str:
    return one_line(f"{assembly_id}: {what}" if assembly_id else what).rstrip(".")
