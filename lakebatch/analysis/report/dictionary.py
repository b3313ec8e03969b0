"""The columns of the results in a report: type, unit and meaning of each."""

from __future__ import annotations

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.report.content import Section
from lakebatch.analysis.report.tables import Table
from lakebatch.snapshot.dictionary import ColumnEntry, TableEntry
from lakebatch.snapshot.dictionary_text import notes

COLUMNS = ("column", "type", "unit", "meaning")


def dictionary_section(data: AnalysisData) -> Section:
    """Return the section with every column of the results, those that the experiment declares first."""
    others = f"The other tables: lakebatch schema {data.shown_name}"
    return Section("dictionary", "Data dictionary", (_table(data.results), f"{others}."))


def _table(entry: TableEntry) -> Table:
    columns = sorted(entry.columns, key=lambda each: not each.own)
    rows = tuple(_row(each) for each in columns if each.in_datasets)
    caption = f"Columns of {entry.name} ({len(rows)}). {entry.description}"
    return Table(one_line(caption), COLUMNS, rows, (False,) * len(COLUMNS), folded=True)


def _row(column: ColumnEntry) -> tuple[str, ...]:
    unit = "" if column.unit is None else column.unit
    return tuple(map(one_line, (column.name, column.type, unit, notes(column))))
