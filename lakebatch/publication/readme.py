"""README.md of a publication: what it is, how to read, check, cite and import it."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch._folders import CHECKSUMS, NewFolder
from lakebatch.assembly.sweeps import Sweep
from lakebatch.publication import licences, omitted
from lakebatch.publication.about import DOI_PAGE
from lakebatch.publication.citation import citation
from lakebatch.publication.material import KIND, Material

FOLDERS = {
    "data": "the tables, each as Parquet (with meaning and unit of each column) and as CSV",
    "dictionary.md": "meaning, type, unit and range of each column (also dictionary.json)",
    "configs": "the config of each assembly",
    "code": "the experiment's source files, one folder for each state of the code",
    "environment": "versions of Python and of packages, one folder for each environment",
    "report": "the report of these results; open report.html in a browser",
    "pictures": "each picture as PNG and SVG, with its caption and origin as JSON",
    "record": "what lakebatch needs to import the publication",
    "ro-crate-metadata.json": "RO-Crate: each run with its inputs, config and results",
    "croissant.json": "Croissant: the tables for machine learning",
    "datapackage.json": "Frictionless Data: the CSV files with types, units and references",
    ".zenodo.json": "the description of an upload to Zenodo",
}


def readme(material: Material, new: NewFolder) -> bytes:
    """Return README.md."""
    lines = [KIND.first_line, "", f"# {material.about.title}", "", *_about(material)]
    sections = {
        "What is in it": [*_contents(material, new)],
        "Read the data": [*_reading(material)],
        "Check": [
            "To see that no file was changed, in this folder:",
            "",
            *_block("console", f"$ sha256sum -c {CHECKSUMS}"),
        ],
        "Repeat": [
            "lakebatch reads the folder back into a lake. There each command works as for an own run; `verify` computes "
            "an assembly again and compares row by row:",
            "",
            *_block(
                "console",
                "$ pip install lakebatch",
                "$ lakebatch import-published FOLDER",
                f"$ lakebatch report {material.snapshot.name} --tag {material.tag.tag}",
                f"$ lakebatch verify {material.snapshot.name} {material.assemblies[0].assembly_id}",
            ),
        ],
        "Cite": [citation(material), "", *_licence(material)],
    }
    for title, body in sections.items():
        lines += ["", f"## {title}", "", *body]
    return (material.impersonal("\n".join(lines)) + "\n").encode()


def _about(material: Material) -> Iterator[str]:
    about, snapshot = material.about, material.snapshot
    if about.draft:
        yield from ("**This is a draft, not to be cited or passed on.**", "")
    yield from (about.description, "")
    note = f": {material.tag.note}" if material.tag.note else ""
    yield f"- Experiment: {snapshot.qualified_name}, tag `{material.tag.tag}` of {material.date}{note}"
    yield f"- Size: {material.size}"
    if about.authors:
        yield f"- Authors: {'; '.join(each.name for each in about.authors)}"
    if about.doi:
        yield f"- DOI: {DOI_PAGE}{about.doi}"
    yield from (f"- Funding: {each}" for each in about.funding)
    yield f"- Made by: {material.software}"
    yield from map(_sweep, snapshot.sweeps)
    yield from _faults(material)
    if material.findings:
        yield from ("", "Findings of the report:", "", *(f"- {each}" for each in material.findings))


def _sweep(sweep: Sweep) -> str:
    keys = ", ".join(f"`{each}`" for each in sweep.keys)
    return (
        f"- Sweep `{sweep.name}`: {len(sweep.planned)} points of {keys}, with {sweep.replicates} replicates each; "
        "`data/assemblies.csv` names sweep, point and replicate of each assembly"
    )


def _faults(material: Material) -> Iterator[str]:
    if material.gaps:
        yield from ("", "**The dataset is incomplete:**", "", *(f"- {each}" for each in material.gaps))
    if material.mixtures:
        yield from ("", "**The dataset is a mixture:**", "", *(f"- {each}" for each in material.mixtures))


def _contents(material: Material, new: NewFolder) -> Iterator[str]:
    tops = {each.partition("/")[0] for each in new.files} | {"ro-crate-metadata.json"}
    yield from ("| path | what it is |", "|---|---|")
    yield from (f"| `{name}` | {what} |" for name, what in FOLDERS.items() if name in tops)
    yield from ("", "| table | rows | |", "|---|---|---|")
    yield from (f"| `{each.csv}` | {each.rows} | {each.entry.description} |" for each in material.tables)
    left_out = omitted.left_out(material.snapshot, [each.name for each in material.tables])
    yield from ("", "Left out:", "", *(f"- {each}" for each in left_out))
    if material.not_drawn:
        yield from ("", "Pictures that it lacks:", "")
        yield from (f"- {kind}: {why}" for kind, why in material.not_drawn.items())


def _reading(material: Material) -> Iterator[str]:
    yield (
        "The CSV files are UTF-8 with a header, a comma between values and a point in numbers; numbers have all their "
        "digits, times are ISO 8601 in UTC, an empty cell is a missing value, and lists are JSON. "
        "A spreadsheet opens them as they are. `assembly_id` joins each table with `data/assemblies.csv`, which has "
        "the configs as columns."
    )
    results, assemblies = material.tables[0].csv, material.tables[-1].csv
    yield from ("", "In R:", "")
    yield from _block(
        "r",
        f'results <- read.csv("{results}")',
        f'runs <- read.csv("{assemblies}", colClasses = c(seed = "character"))',
        'both <- merge(results, runs, by = "assembly_id", suffixes = c("", ".run"))',
    )
    yield from ("", "In Python:", "")
    yield from _block(
        "python", "import polars", f'results = polars.read_parquet("{material.tables[0].parquet}")'
    )


def _licence(material: Material) -> Iterator[str]:
    about = material.about
    if about.licence:
        yield f"Licence: {licences.NAMES[about.licence]} ({about.licence}), see LICENSE."
    else:
        yield "No licence is given: it may not be passed on."


def _block(language: str, *lines: str) -> list[str]:
    return [f"```{language}", *lines, "```"]
