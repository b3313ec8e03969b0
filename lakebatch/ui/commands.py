"""Commands and lines of Python that show what a page shows, and commands to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakebatch.assembly.metrics import Metric
from lakebatch.assembly.record import EVERY_STATUS, Assembly
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.snapshot.selection import selection
from lakebatch.ui.page_state import PageState

if TYPE_CHECKING:
    from lakebatch.ui.compared import Compared


def command(*words: str, options: str = "") -> str:
    """Return a command of lakebatch, quoted for a shell."""
    return f"{shlex.join(['lakebatch', *words])} {options}".strip()


def python(reference: str, call: str) -> str:
    """Return a line of Python that calls a method of an experiment."""
    return f"lakebatch.open_lake()[{reference!r}].{call}"


def moment_options(state: PageState) -> str:
    """Return the options of the moment of a page alone."""
    return PageState().at(state.selection.moment).options


def moment_arguments(state: PageState) -> str:
    """Return the keyword arguments of the moment of a page alone."""
    return PageState().at(state.selection.moment).arguments


def assembly(stored: StoredExperiment, state: PageState, found: Assembly) -> str:
    """Return the command that shows an assembly."""
    return command("status", stored.reference, found.assembly_id, options=moment_options(state))


def alone(state: PageState, ids: Sequence[str]) -> PageState:
    """Return the selection of some assemblies at the moment of a page, whatever their statuses."""
    chosen = selection(state.selection.moment, include=EVERY_STATUS, assembly=ids)
    return PageState(selection=chosen)


def assembly_in_python(stored: StoredExperiment, state: PageState, found: Assembly) -> str:
    """Return the line of Python that shows an assembly."""
    table = f"assemblies({moment_arguments(state)})"
    return python(stored.reference, f"{table}.filter(assembly_id={found.assembly_id!r})")


def source_in_python(stored: StoredExperiment, found: Assembly) -> str:
    """Return the line of Python that returns the source files of an assembly."""
    return python(stored.reference, f"source({found.assembly_id!r})")


def compare(found: Sequence[Compared], state: PageState, metric: Metric | None) -> str:
    """Return the command that compares assemblies: the differences of two, else the means of a metric."""
    if len(found) == 2 and _is_now_and_of_one(found, state):
        return command("diff", found[0].stored.reference, *(each.assembly.assembly_id for each in found))
    if metric is None or state.selection.moment.version is not None:
        ids = [each.assembly.assembly_id for each in found]
        name = found[0].stored.reference
        return command("reassemble", name, "-o", "compared.parquet", options=alone(state, ids).options)
    return command("sql", _means(found, metric), options=alone(state, []).options)


def compare_in_python(found: Sequence[Compared], state: PageState, metric: Metric | None) -> str:
    """Return the line of Python that compares assemblies."""
    if len(found) == 2 and _is_now_and_of_one(found, state):
        one, other = (each.assembly.assembly_id for each in found)
        return python(found[0].stored.reference, f"diff({one!r}, {other!r})")
    if metric is None or state.selection.moment.version is not None:
        ids = [each.assembly.assembly_id for each in found]
        return python(found[0].stored.reference, f"reassemble({alone(state, ids).arguments})")
    return f"lakebatch.open_lake().sql({_means(found, metric)!r}, {alone(state, []).arguments})"


def _is_now_and_of_one(found: Sequence[Compared], state: PageState) -> bool:
    return len({each.folder for each in found}) == 1 and not state.selection.moment.is_past


def _means(found: Sequence[Compared], metric: Metric) -> str:
    """Return a query for the mean of a metric in each of some assemblies, along the axis if they share one."""
    axes = {each.snapshot.roles.axis.name for each in found}
    axis = f', "{axes.pop()}"' if len(axes) == 1 else ""
    keys = f"experiment, version, assembly_id{axis}"
    rows = ", ".join(
        f"('{each.snapshot.name}', '{each.snapshot.experiment_version}', '{each.assembly.assembly_id}')"
        for each in found
    )
    return (
        f'SELECT {keys}, avg("{metric.name}") AS mean FROM lake.results '
        f"WHERE (experiment, version, assembly_id) IN ({rows}) GROUP BY ALL ORDER BY ALL"
    )


def experiment(reference: str, state: PageState) -> str:
    """Return the command that shows what the page of an experiment shows: its report."""
    return command("report", reference, *_view_options(state), options=state.options)


def experiment_in_python(reference: str, state: PageState) -> str:
    """Return the line of Python for the same."""
    view = ", ".join(f"{key}={value!r}" for key, value in state.view if key in ("metric", "by"))
    return python(reference, f"report({', '.join(filter(None, (view, state.arguments)))})")


def _view_options(state: PageState) -> list[str]:
    return [word for key, value in state.view if key in ("metric", "by") for word in (f"--{key}", value)]
