"""The section of a report on what it was made from: lake, state, assemblies, code, and how to repeat everything."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from lakebatch._text import one_line
from lakebatch._version import __version__
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.options import Options
from lakebatch.analysis.report.configs import RunConfig
from lakebatch.analysis.report.content import Code, Section
from lakebatch.analysis.report.tables import Table, cell
from lakebatch.assembly.record import Assembly
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.snapshot import source_diff
from lakebatch.snapshot.changes import HASH_CHARACTERS

MAX_LISTED = 12
# assemblies that are named one by one


def provenance_section(
    data: AnalysisData, configs: Sequence[RunConfig], asked: Options, written_at: datetime | None
) -> Section:
    """Return the origin of the rows, and the commands to repeat the assemblies and the report.

    Parameters
    ----------
    asked : Options
        The options that the report was asked for with.
    written_at : datetime, optional
        When the report was written.
    """
    seeds = {each.assembly_id: each.seed for each in data.records}
    commands = [
        f"{each.command} --seed {seeds[name]}  # config {each.number}, {name}"
        for each in configs
        for name in each.assemblies
    ]
    return Section(
        "provenance",
        "Provenance and how to reproduce it",
        (
            _made_from(data, written_at),
            "Rows depend only on config, seed and code. Install the code and packages listed below and run each assembly "
            "again. For a command with --config config.json, first save the whole config from the end of this report in "
            "that file.",
            Code("Run every assembly again", "\n".join(commands), "sh"),
            Code("Read the same state of this lake again", "\n".join(_reading(data, asked)), "sh"),
            Code("The same report in Python", _python(data, asked), "python"),
            _environments(data.records),
            *_source_changes(data),
        ),
    )


def _made_from(data: AnalysisData, written_at: datetime | None) -> Table:
    """Return the lake, the selection, the state and the software that the report was made from."""
    read = [each for each in data.records if each.assembly_id in set(data.rows["assembly_id"].unique())]
    rows = [
        ("lake", data.lake or "no results yet"),
        ("selection", data.selection),
        ("state", data.moment),
        ("assemblies", _listed([each.assembly_id for each in read])),
        ("users", _joined(each.user for each in data.records)),
        ("machines", _joined(each.host for each in data.records)),
        ("last change", cell(data.assemblies["changed_at"].max())),
        ("written", cell(written_at) or "not recorded, so that one state always gives the same report"),
        ("written by", f"lakebatch {__version__}"),
    ]
    cells = tuple((name, one_line(text) or "none") for name, text in rows)
    return Table("What this report was made from", ("item", "value"), cells, (False, False))


def _listed(ids: Sequence[str]) -> str:
    if len(ids) <= MAX_LISTED:
        return ", ".join(ids)
    return f"{len(ids)}, from {ids[0]} to {ids[-1]}; see Runs"


def _joined(texts: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(each for each in texts if each))


def _reading(data: AnalysisData, asked: Options) -> list[str]:
    command = shlex.join(["lakebatch", *(["--lake", data.lake] if data.lake else [])])
    selected = shlex.join([data.qualified_name, *data.options, "--version", str(data.version)])
    options = [word for name, value in _given(asked).items() for word in (f"--{name}", value)]
    words = f" {shlex.join(options)}" if options else ""
    return [
        f"{command} reassemble {selected} -o {shlex.quote(data.experiment)}.parquet",
        f"{command} report {selected}{words}",
    ]


def _given(asked: Options) -> dict[str, str]:
    """Return the options of a report that are not the default."""
    given = {
        "metric": asked.metric,
        "by": asked.by,
        "unit": asked.unit if asked.unit != Options.unit else None,
    }
    return {name: value for name, value in given.items() if value}


def _python(data: AnalysisData, asked: Options) -> str:
    arguments = {"version": data.version, **data.arguments, **_given(asked)}
    keywords = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return (
        "import lakebatch\n\n"
        f"stored = lakebatch.open_lake({data.lake!r})[{data.qualified_name!r}]\n"
        f"stored.report({keywords}).save({f'{data.experiment}-report.html'!r})"
    )


def _source_changes(data: AnalysisData) -> Iterator[Code]:
    """Yield a unified diff from each state of the experiment's source to the next, by run number."""
    computed = [each for each in data.records if SOURCE_HASH in each.surroundings]
    for before, after in itertools.pairwise(computed):
        changed = source_diff.between_assemblies(before, data.source_files, after, data.source_files)
        if changed:
            title = f"Changes of the source from {before.assembly_id} to {after.assembly_id}"
            yield Code(title, changed, "diff", folded=True)


def _environments(assemblies: list[Assembly]) -> Table:
    """Return the environments of assemblies, equal ones in one row."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for each in assemblies:
        known = each.surroundings
        packages = ", ".join(
            f"{name} {version}" for name, version in sorted(known.get("packages", {}).items())
        )
        key = (
            one_line(each.lakebatch_version), one_line(each.commit or ""),
            one_line(str(known.get(SOURCE_HASH, ""))[:HASH_CHARACTERS]), one_line(str(known.get("python", ""))),
            one_line(str(known.get("platform", ""))), one_line(packages),
        )  # fmt: skip
        groups.setdefault(key, []).append(each.assembly_id)
    rows = tuple((", ".join(names), *key) for key, names in groups.items())
    columns = ("assemblies", "lakebatch", "commit", "source", "Python", "platform", "packages")
    return Table("Code and environment of the rows", columns, rows, (False,) * len(columns))
