"""Composition of a report from its sections."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.meaning import meaning
from lakebatch.analysis.plots.options import Options, choose
from lakebatch.analysis.report import findings, glossary, records, sentences
from lakebatch.analysis.report.about import about_section
from lakebatch.analysis.report.configs import run_configs
from lakebatch.analysis.report.content import Content, Points, Section
from lakebatch.analysis.report.dictionary import dictionary_section
from lakebatch.analysis.report.findings import Draw
from lakebatch.analysis.report.provenance import provenance_section
from lakebatch.analysis.report.sweeps import sweep_sections
from lakebatch.analysis.report.tables import cell
from lakebatch.assembly import missing_metrics


def compose(
    data: AnalysisData, draw: Draw, options: Options, asked: Options, written_at: datetime | None = None
) -> Content:
    """Return the content of a report.

    Parameters
    ----------
    draw : callable
        Draws a picture; the report names the error of a picture that cannot be drawn.
    asked : Options
        The options as they were given, with a config key where ``options`` has its column.
    """
    chosen = choose(options, data)
    configs = run_configs(data.experiment, data.records, data.config_numbers)
    about, found = meaning(data), tuple(map(one_line, sentences.findings(data, chosen)))
    sections = [
        about_section(data, about),
        Section("findings", "Findings", (Points(found),)),
        findings.results_section(data, chosen),
        *sweep_sections(
            data, partial(findings.figure, draw, is_first=True), options, (chosen.metric, chosen.label)
        ),
        findings.picture_section(draw, chosen),
        findings.statistics_section(data, chosen),
        records.time_section(data),
        records.fault_section(data),
        records.run_section(data, configs),
        provenance_section(data, configs, asked, written_at),
        dictionary_section(data),
        records.config_section(configs),
    ]
    meanings, listed = glossary.with_meanings(data, chosen, sections, about)
    # the whole configs stay last: they are the longest
    sections.insert(-1, listed)
    return Content(
        experiment=data.experiment,
        title=f"{data.experiment}: report",
        state=_state(data, written_at),
        lead=one_line(about.question or about.summary),
        findings=found,
        meanings=meanings,
        facts=_facts(data),
        warnings=_warnings(data),
        sections=tuple(sections),
    )


def _state(data: AnalysisData, written_at: datetime | None) -> str:
    changed = data.assemblies["changed_at"].max()
    written = f" Written: {cell(written_at)}." if written_at else ""
    return f"Dataset: {data.selection}. Last change recorded: {cell(changed)}.{written}"


def _facts(data: AnalysisData) -> tuple[tuple[str, str], ...]:
    states = data.assemblies["status"]
    return (
        ("experiment version", data.qualified_name.partition("@")[2]),
        ("completed assemblies", f"{int((states == 'completed').sum())} of {states.len()}"),
        (f"{data.words.row}s", str(data.rows.height)),
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
