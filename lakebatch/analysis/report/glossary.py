"""The meaning of every column of a report's tables, from the schemas of the lake and the words of statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.meaning import Meaning
from lakebatch.analysis.plots.options import CONFIG, Chosen
from lakebatch.analysis.report.about import roles_table
from lakebatch.analysis.report.content import Section
from lakebatch.analysis.report.tables import BETWEEN, Table
from lakebatch.storage.delta.schema import load_schema

# Headings of tables on assemblies, with their column of the table of assemblies
OF_ASSEMBLIES = {
    "assembly": "assembly_id", "assemblies with it": "assembly_id", "status": "status", "seed": "seed", "machine": "host",
}  # fmt: skip
RECORDS = {
    "parts": "Committed parts of the planned ones.",
    "rows": "Rows of the results that the assembly has.",
    "started": "When the assembly was started, UTC.",
    "last change": "When its last event was recorded, UTC.",
    "config": "Number of its config, counted from 1 by the first run; see Configs.",
    "lakebatch": "Version of lakebatch that computed it.",
    "commit": "Commit of the repository of the experiment's file.",
    "name": "Name of the assembly, or of the item in its row.",
    "user": "Who started the assembly.",
    "config of": "Assembly whose config was taken.",
    "note": "Notes of people on the assembly.",
    "source": "Start of the SHA-256 of the experiment's source files.",
    "Python": "Version of Python that computed the rows.",
    "platform": "Operating system and processor.",
    "packages": "Versions of the packages that rows can depend on.",
    "missing": "What a complete dataset needs and this one lacks.",
    "error": "Why a metric is missing, or why a part failed.",
    "dropped": "Samples that could not be simulated and are left out at every level.",
    "of": "Samples that were planned.",
    "most frequent reason": "Why most of the dropped samples were dropped.",
    "key": "Dotted key of the config.",
    "here": "Value in this config.",
    "point": "Number of the point in its sweep.",
    "assemblies done": "Completed assemblies of the planned ones at the point.",
    "std between assemblies": "Standard deviation of the means of assemblies at the point.",
    "from start to end, s": "Seconds from the first to the last event, pauses included.",
    "role": "Whether the column is varied (axis), compared or measured (metric).",
    "column": "Name in the table of results, in SQL and in Python.",
    "meaning": "What the schema or the experiment says about it.",
    "type": "What the values of the column are.",
    "unit": "Unit of the values; 1 for a number without a unit.",
    "values": "Values that are there, or possible values and which are better.",
    "item": "What the report was made from.",
    "value": "Its value.",
    "longest, s": "Longest single time, in seconds.",
    "mean, s": "Mean time, in seconds.",
    "median, s": "Median time, in seconds.",
    "total, s": "Sum of the times, in seconds.",
}


def with_meanings(
    data: AnalysisData, options: Chosen, sections: Sequence[Section], meaning: Meaning
) -> tuple[dict[str, str], Section]:
    """Return the meaning of each column of the sections' tables by heading, and a section with all of them."""
    known, roles = dict(_all(data, options, meaning.axis)), roles_table(data, meaning)
    tables = [roles, *(part for section in sections for part in section.parts if isinstance(part, Table))]
    headings = list(dict.fromkeys(heading for table in tables for heading in table.columns))
    found = {each: text for each in headings if (text := known.get(each) or _of_heading(each, options))}
    # one line for all values of the axis, each of which can be a column
    values = [each for each in found if _is_at(each, options)]
    listed = {each: text for each, text in found.items() if each not in values}
    if values:
        listed[f"{options.axis.label} …"] = found[values[0]]
    rows = tuple((one_line(each), one_line(text)) for each, text in listed.items())
    glossary = Table(
        "Columns of the tables of this report", ("column of a table", "meaning"), rows, (False, False)
    )
    return found, Section("glossary", "Glossary", (roles, glossary))


def _all(data: AnalysisData, options: Chosen, axis: str) -> Iterator[tuple[str, str]]:
    """Yield headings with their meaning; a later one is of this experiment."""
    yield from RECORDS.items()
    assemblies = {each.name: each.comment for each in load_schema("assemblies").columns}
    yield from ((heading, assemblies[column]) for heading, column in OF_ASSEMBLIES.items())
    yield from _of_statistics(options)
    yield options.axis.axis_label, axis
    for name in options.roles.groups:
        declared = data.columns.get(name)
        yield (
            options.roles.word(name),
            declared.comment if declared else "Values of the config keys that differ.",
        )


def _of_statistics(options: Chosen) -> Iterator[tuple[str, str]]:
    words, label, baseline = options.words, options.label, options.axis.baseline
    row, unit, cohort = words.row, words.unit, words.cohort
    yield f"{row}s", f"Number of {row}s behind the numbers of the line."
    yield f"{unit}s", f"Number of {unit}s behind each mean, over all assemblies."
    yield "units", f"Number of independent units: {unit}s, or assemblies where each counts once."
    yield "assemblies", "Number or ids of the assemblies of the line."
    yield f"{cohort}s", f"Number of different {cohort}s: assemblies of one seed share theirs."
    yield BETWEEN.replace("cohort", cohort), f"Standard deviation of the means of {cohort}s."
    yield "without metric", f"Number of {row}s without {label}."
    yield "mean", f"Mean of {label}, or mean time."
    yield "std", f"Standard deviation of {label} over all {row}s."
    yield "min", f"Lowest {label}."
    yield "max", f"Highest {label}."
    yield "95 % from", "Lower end of the 95 % t interval of the mean."
    yield "to", "Upper end of the 95 % t interval of the mean."
    yield "minus", "What is subtracted in the paired difference."
    yield "mean difference", f"Mean of the paired differences of {label}."
    yield "p", "Two-sided p-value of the t test, not corrected."
    yield "p (Holm)", "The p-value corrected for the number of lines of the table (Holm 1979)."
    at = "" if baseline is None else f" at {options.axis.at(baseline)}"
    yield "baseline", f"Mean {label}{at}."
    yield "mean change", f"Mean of the paired differences of {label} from the baseline."
    yield "relative", "Mean change over the size of the baseline."
    yield "slope", f"Slope of the regression of {label} on {options.axis.label}."
    yield "R² of the regression", "Share of the variance that the regression explains."
    yield "rank", "Place in the ranking, 1 is the most robust."
    yield "under perturbation", f"Mean {label} away from the baseline."
    yield "elsewhere", f"Mean {label} away from the baseline."
    yield "robustness", "Ratio of the two means; 1 where nothing is lost."
    yield f"in {row}s, s", f"Seconds that {row}s took, added up over processes."
    yield f"mean {label}", f"Mean {label} of all {row}s at the point."


def _of_heading(heading: str, options: Chosen) -> str:
    """Return the meaning of a heading that is made of a name."""
    if _is_at(heading, options):
        return f"Mean {options.label} at this value of {options.axis.label}, with its 95 % interval."
    if heading.startswith("preset "):
        return "Value in the preset."
    return "The config." if heading == CONFIG else ""


def _is_at(heading: str, options: Chosen) -> bool:
    return heading.startswith(f"{options.axis.label} ") and heading != options.axis.axis_label
