"""Composition of a report from its sections."""

from __future__ import annotations

from functools import partial

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.options import CONFIG, Options, choose
from lakebatch.analysis.report import findings, records
from lakebatch.analysis.report.configs import run_configs
from lakebatch.analysis.report.content import Content
from lakebatch.analysis.report.findings import Draw
from lakebatch.analysis.report.sweeps import sweep_sections
from lakebatch.analysis.report.tables import cell
from lakebatch.assembly import missing_metrics
from lakebatch.assembly.metrics import text_of


def compose(data: AnalysisData, draw: Draw, options: Options) -> Content:
    """Return the content of a report.

    Parameters
    ----------
    draw : callable
        Draws a picture; the report names the error of a picture that cannot be drawn.
    """
    chosen = choose(options, data)
    configs = run_configs(data.experiment, data.records, data.config_numbers)
    sections = [
        records.run_section(data, configs),
        records.config_section(configs),
        *sweep_sections(
            data, partial(findings.figure, draw, is_first=True), options, (chosen.metric, chosen.label)
        ),
        findings.results_section(data, chosen),
        findings.picture_section(draw, chosen),
        findings.statistics_section(data, chosen),
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


def _state(data: AnalysisData) -> str:
    changed = data.assemblies["changed_at"].max()
    return f"Dataset: {data.selection}. Last change recorded: {cell(changed)}."


def _facts(data: AnalysisData) -> tuple[tuple[str, str], ...]:
    rows, states, axis = data.rows, data.assemblies["status"], data.roles.axis
    groups = [name for name in data.roles.groups if name != CONFIG]
    return (
        ("experiment version", data.qualified_name.partition("@")[2]),
        ("completed assemblies", f"{int((states == 'completed').sum())} of {states.len()}"),
        (f"{data.words.row}s", str(rows.height)),
        (axis.plural, one_line(", ".join(map(text_of, rows[axis.name].drop_nulls().unique().sort())))),
        *(
            (f"{data.roles.word(name)}s", one_line(", ".join(rows[name].drop_nulls().unique().sort())))
            for name in groups
        ),
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
