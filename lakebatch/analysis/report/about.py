"""The section of a report on what the experiment is: its question, its axis, what is compared, and its metrics."""

from __future__ import annotations

import polars as pl

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.meaning import Meaning
from lakebatch.analysis.plots.captions import capital
from lakebatch.analysis.plots.options import CONFIG
from lakebatch.analysis.report.content import Points, Section
from lakebatch.analysis.report.tables import Table
from lakebatch.analysis.wording import plural
from lakebatch.assembly.metrics import Metric, text_of


def about_section(data: AnalysisData, meaning: Meaning) -> Section:
    """Return what the experiment does, what a value of its axis is, and what is compared."""
    # without a question, the summary is the first line of the report
    summary = [one_line(meaning.summary)] if meaning.question and meaning.summary else []
    axis, there = data.roles.axis, _there(data, data.roles.axis.name)
    varied = [f"{capital(axis.axis_label)}: {one_line(meaning.axis)} Here {there}."] if there else []
    groups = [name for name in data.roles.groups if name != CONFIG and _there(data, name)]
    compared = [
        f"{capital(plural(data.roles.word(each)))}: {_described(data, each, meaning)}." for each in groups
    ]
    return Section("experiment", "The experiment", (Points((*summary, *varied, *compared)),))


def roles_table(data: AnalysisData, meaning: Meaning) -> Table:
    """Return the columns that are varied, compared and measured, with what they mean."""
    axis, groups = data.roles.axis, [name for name in data.roles.groups if name != CONFIG]
    rows = [
        ("axis", axis.axis_label, _column(data, axis.name), one_line(meaning.axis), _there(data, axis.name)),
        *(
            ("compared", data.roles.word(name), _column(data, name), _comment(data, name), _there(data, name))
            for name in groups
        ),
        *(
            ("metric", each.axis_label, each.name, _comment(data, each.name), _range(each))
            for each in data.roles.metrics
        ),
    ]
    columns = ("role", "name", "column", "meaning", "values")
    return Table("What is varied, compared and measured", columns, tuple(rows), (False,) * len(columns))


def _column(data: AnalysisData, name: str) -> str:
    """Return the name that a column has in the lake."""
    declared = data.columns.get(name)
    return declared.name if declared else name


def _comment(data: AnalysisData, name: str) -> str:
    declared = data.columns.get(name)
    return one_line(declared.comment) if declared else ""


def _there(data: AnalysisData, name: str) -> str:
    return one_line(", ".join(map(text_of, data.rows[name].drop_nulls().unique().sort())))


def _range(metric: Metric) -> str:
    """Return the possible values of a metric, and which are better.

    >>> _range(Metric("r", "r", minimum=-1.0, maximum=1.0)), _range(Metric("t", "t", higher_is_better=False))
    ('-1 to 1, higher is better', 'lower is better')
    """
    ends = {"from": metric.minimum, "up to": metric.maximum}
    given = [f"{word} {text_of(end)}" for word, end in ends.items() if end is not None]
    within = (
        " ".join(given).removeprefix("from ").replace("up to", "to") if len(given) == 2 else "".join(given)
    )
    better = "higher is better" if metric.higher_is_better else "lower is better"
    return f"{within}, {better}" if within else better


def _described(data: AnalysisData, group: str, meaning: Meaning) -> str:
    """Return the values of a group that are there, each with its meaning if the experiment declares it."""
    texts = {_spoken(value): text for value, text in meaning.values.get(group, {}).items()}
    there = data.rows[group].drop_nulls().unique().sort().cast(pl.String)
    named = (f"{each} ({texts[_spoken(each)]})" if _spoken(each) in texts else each for each in there)
    return one_line(", ".join(named))


def _spoken(name: str) -> str:
    return name.replace("_", " ")
