"""Publish: the state of a tag as a folder or a zip file that stands by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebatch._files import check_replaceable, replace_atomically
from lakebatch._folders import NewFolder, check_folder, replaced, workspace
from lakebatch._text import redact
from lakebatch.analysis.meaning import recorded_texts
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.assembly.tags import Tag
from lakebatch.errors import AssemblyError
from lakebatch.maintenance.published import meanings
from lakebatch.publication import (
    about,
    archive,
    citation,
    data_files,
    environments,
    omitted,
    pictures,
    readme,
    record,
)
from lakebatch.publication.crate import crate
from lakebatch.publication.croissant import croissant
from lakebatch.publication.datapackage import data_package
from lakebatch.publication.material import ASSEMBLIES, KIND, Material
from lakebatch.settings import read_settings
from lakebatch.snapshot import dictionary_text
from lakebatch.snapshot.dictionary import Dictionary
from lakebatch.snapshot.gaps import OnGap, report_gaps
from lakebatch.snapshot.moment import moment
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import Snapshot

LAKE = "lake"
"""The lake in reports and pictures: its place on this machine says nothing to others."""
ZIP = ".zip"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Publication:
    """A publication that was written.

    Attributes
    ----------
    path : Path
        The folder or the zip file.
    files, size, rows, assemblies : int
        The number of its files, their bytes, the rows of results, and the assemblies.
    gaps, mixtures : tuple of str
        What is missing or mixed in it, in sentences.
    not_drawn : mapping
        The pictures that it lacks, with the reason.
    draft : bool
    """

    path: Path
    files: int
    size: int
    rows: int
    assemblies: int
    gaps: tuple[str, ...]
    mixtures: tuple[str, ...]
    not_drawn: Mapping[str, str]
    draft: bool


def publish(
    stored: ExperimentTables,
    tag: str,
    path: str | os.PathLike[str],
    *,
    tables: Iterable[str] = (),
    on_gap: OnGap = "warn",
    given: Mapping[str, Any] | None = None,
    progress: Progress = lambda step: None,
) -> Publication:
    """Write the state of a tag as a publication.

    Parameters
    ----------
    path : path
        A folder that is new, empty, or an older publication, which is replaced; or a file that ends in ``.zip``.
    tables : collection of str
        Large tables to include, see `lakebatch.publication.data_files.ON_REQUEST`.
    given : mapping
        What the publication says of itself, before the settings, see `lakebatch.publication.about.read`.
    progress : callable
        Called with each step.

    Raises
    ------
    ConfigError
        If authors or licence are missing, and it is no draft.
    IncompleteError
        If there is a gap and ``on_gap`` is "refuse".
    DamageError
        If a file of an assembly cannot be read, unless ``on_gap`` is "ignore": then the publication names it.
    StorageError
        If it cannot be written.
    """
    target = Path(path)
    _check_target(target)
    material = _material(stored, tag, given or {}, on_gap)
    names = data_files.chosen(material.snapshot, tables)
    if target.suffix != ZIP:
        with replaced(target, KIND) as new:
            _write(material, names, new, on_gap, progress)
        return _published(material, new, target)
    with replace_atomically(target) as partial, workspace(target.resolve()) as inside:
        new = NewFolder(inside / "new")
        _write(material, names, new, on_gap, progress)
        new.finish()
        progress(target.name)
        archive.write_zip(new.path, inside / target.name, f"{material.snapshot.name}-{tag}")
        (inside / target.name).replace(partial)
    return _published(material, new, target)


def _check_target(target: Path) -> None:
    """Refuse a place that cannot be written before anything is read."""
    if target.suffix == ZIP:
        check_replaceable(target)
    else:
        check_folder(target, KIND)


def _material(stored: ExperimentTables, tag: str, given: Mapping[str, Any], on_gap: OnGap) -> Material:
    known = stored.tag_log.get(tag)
    snapshot = pin(stored, moment(tag=tag))
    snapshot = snapshot.with_events(record.without_people(snapshot.events))
    snapshot.lake_uri = LAKE
    if not snapshot.ids():
        raise AssemblyError(
            f"{snapshot.qualified_name} has no completed assembly at tag {tag}: there is nothing to publish."
        )
    said = about.read(read_settings(), given, _defaults(snapshot, known))
    gaps = snapshot.gaps()
    report_gaps(gaps, on_gap)
    place = omitted.place(snapshot)
    return Material(
        snapshot,
        replace(known, note=redact(known.note) if known.note else None),
        said,
        [str(each).replace(place, "") for each in gaps],
        tuple(snapshot.report_mixtures()),
        meanings(stored),
    )


def _defaults(snapshot: Snapshot, tag: Tag) -> dict[str, str]:
    """Return title and description where nobody gives any: the experiment's own words."""
    name = snapshot.name.replace("-", " ")
    question, summary = recorded_texts(snapshot.assemblies, snapshot.source_files, snapshot.name)
    return {
        "title": f"Results of the experiment {name}",
        "description": question
        or summary
        or f"Rows of the batch experiment {snapshot.qualified_name} at tag {tag.tag}.",
    }


def _write(material: Material, names: list[str], new: NewFolder, on_gap: OnGap, progress: Progress) -> None:
    """Write all files; those that describe others come after them, and checksums last."""
    progress("data")
    data_files.write_tables(material, names, new, on_gap)
    material.gaps.extend(omitted.sentences(material.snapshot, names))
    environments.write_provenance(material, new)
    _write_dictionary(material, new)
    progress("report")
    pictures.write_report(material, new)
    progress("pictures")
    pictures.write_pictures(material, new)
    _write_record(material, new)
    new.add_all()
    new.write("LICENSE", material.about.licence_text.encode())
    if (cited := citation.citation_file(material)) is not None:
        new.write("CITATION.cff", cited)
    new.write(".zenodo.json", citation.zenodo(material))
    new.write("datapackage.json", data_package(material, new))
    new.write("croissant.json", croissant(material, new))
    new.write(KIND.readme, readme.readme(material, new))
    new.write("ro-crate-metadata.json", crate(material, new))


def _write_dictionary(material: Material, new: NewFolder) -> None:
    """Write the data dictionary of the tables of the publication."""
    known = material.dictionary
    entries = tuple(replace(each.entry, columns=each.columns, rows=each.rows) for each in material.tables)
    shown = Dictionary(entries, known.experiment, known.version, known.state)
    new.write("dictionary.json", environments.to_json(shown.as_dict()))
    new.write("dictionary.md", material.impersonal(dictionary_text.markdown(shown)).encode())


def _write_record(material: Material, new: NewFolder) -> None:
    """Write the record that an import needs into the folder ``record``."""
    names = [each.entry.name for each in material.tables if each.entry.name != ASSEMBLIES]
    left_out = omitted.left_out(material.snapshot, [each.name for each in material.tables])
    record.write(material.snapshot, material.tag, material.about.title, names, left_out, new.path)


def _published(material: Material, new: NewFolder, target: Path) -> Publication:
    return Publication(
        target,
        len(new.files),
        new.size,
        material.tables[0].rows,
        len(material.assemblies),
        tuple(material.gaps),
        material.mixtures,
        material.not_drawn,
        material.about.draft,
    )
