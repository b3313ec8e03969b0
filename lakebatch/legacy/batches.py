"""The assemblies that the files of a folder become, except those that the lake has already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakebatch.assembly.record import MADE_BY, Assembly
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.legacy.files import Item
from lakebatch.legacy.frames.levels import as_level
from lakebatch.legacy.survey import Survey

IMPORT = "import-legacy"
FILES = "files"
"""Key of the config for the files that an assembly was imported from."""
NO_BASELINE = "the baseline, level 0, which every degradation is measured against, was not there to import"
NO_FILE = "its file was missing or could not be read when it was imported"


@dataclass(frozen=True)
class Batch:
    """One assembly to import: its files, its missing parts, and its id if the files have one.

    Files whose ids are levels are the levels of one run, because a second run would have overwritten them.

    Attributes
    ----------
    missing : tuple of str
        Parts that cannot be imported.
    error : str, optional
        Why the assembly will be recorded as failed.
    existing : Assembly, optional
        The assembly in the lake that it continues.
    """

    items: tuple[Item, ...]
    ids: tuple[str, ...]
    assembly_id: str | None = None
    missing: tuple[str, ...] = ()
    known_gaps: tuple[str, ...] = ()
    error: str | None = None
    existing: Assembly | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The keys of the parts; missing ones come last."""
        return (*(self.part(item) for item in self.items), *self.missing)

    def part(self, item: Item) -> str:
        """Return the part of a file: its level, or the name that it was saved under."""
        if item.level is None:
            return item.name
        level = level_part(item.id)
        return level if len({each.name for each in self.items}) == 1 else f"{item.name}/{level}"


def level_part(level: str) -> str:
    """Return the part of a level, with the key that runs give it."""
    return f"level={level}"


def batches(survey: Survey, present: Sequence[Assembly], name: str) -> list[Batch]:
    """Return the assemblies that remain to be imported; report the other files in the survey.

    Parameters
    ----------
    present : assemblies
        The assemblies of the experiment in the lake.
    name : str
        The experiment.
    """
    runs = (_run(survey, wanted, present) for wanted in _run_ids(survey))
    kept = [each for each in present if each.status != "discarded"]
    _report_unfinished(survey, kept, name)
    return [*_levels(survey, kept), *(each for each in runs if each is not None)]


def corrections(survey: Survey, present: Sequence[Assembly]) -> list[tuple[Assembly, str]]:
    """Return the imports that are completed and have no file that the list has as completed, with the reason."""
    found = []
    for each in present:
        keys = files_of(each) if each.status == "completed" else set()
        reasons = [_error(survey, item) for item in survey.items if item.key in keys]
        if keys and len(reasons) == len(keys) and all(reasons):
            found.append((each, str(reasons[0])))
    return found


def files_of(assembly: Assembly) -> set[tuple[str, str, str]]:
    """Return the name, id and content of every file that an assembly was imported from."""
    if assembly.settings.get(MADE_BY) != IMPORT:
        return set()
    return {(each["name"], each["id"], each["sha256"]) for each in assembly.settings[FILES]}


def _levels(survey: Survey, present: Sequence[Assembly]) -> list[Batch]:
    """Return batches of levels: of those that were begun, of the new ones, of those listed as not completed."""
    owners = {key: each for each in present for key in files_of(each)}
    owner_of = {(name, wanted): each for (name, wanted, _), each in owners.items()}
    new: list[Item] = []
    for item in (each for each in survey.items if each.level is not None):
        owner = owner_of.get((item.name, item.id))
        if owner is None:
            new.append(item)
        elif item.key not in owners:
            _report_changed(survey, item, owner)
        elif owner.status == "completed":
            _report_imported(survey, item, owner)
    begun = {each.assembly_id: each for each in owners.values() if each.status != "completed"}
    done = [item for item in new if _error(survey, item) is None]
    undone = [item for item in new if _error(survey, item) is not None]
    return [
        *_resumed(survey, begun.values()),
        *([_new_levels(survey, done, present)] if done else []),
        *([_batch(undone, error=_error(survey, undone[0]))] if undone else []),
    ]


def _resumed(survey: Survey, begun: Iterable[Assembly]) -> list[Batch]:
    """Return the imports of levels that were interrupted, or whose levels the list now has as completed."""
    found = []
    for each in begun:
        items = [item for item in survey.items if item.key in files_of(each) and item.level is not None]
        if not items:
            continue
        if {item.key for item in items} != files_of(each):
            for item in items:
                _report_changed(
                    survey,
                    item,
                    each,
                    "was being imported from this and other files, which are not as they were",
                )
            continue
        error = next((why for item in items if (why := _error(survey, item))), None)
        if each.status == "failed" and error:
            for item in items:
                _report_imported(survey, item, each)
            continue
        missing = tuple(part for part in each.parts if part not in _batch(items).parts)
        found.append(_batch(items, missing=missing, known_gaps=each.known_gaps, error=error, existing=each))
    return found


def _new_levels(survey: Survey, items: Sequence[Item], present: Sequence[Assembly]) -> Batch:
    known = {gap for each in present for gap in each.known_gaps}
    lost = [each for each in survey.missing() if as_level(each) is not None and _gap(each) not in known]
    gaps = [_gap(each) for each in lost] + _baseline_gap(survey.items)
    return _batch(items, missing=tuple(level_part(each) for each in lost), known_gaps=tuple(gaps))


def _batch(items: Sequence[Item], **fields: object) -> Batch:
    ordered = sorted(items, key=lambda item: (item.level if item.level is not None else 0.0, item.name))
    return Batch(tuple(ordered), tuple(dict.fromkeys(item.id for item in ordered)), **fields)  # type: ignore[arg-type]


def _run_ids(survey: Survey) -> list[str]:
    ids = {*(item.id for item in survey.items), *survey.missing()}
    return sorted(each for each in ids if ASSEMBLY_ID.fullmatch(each))


def _run(survey: Survey, wanted: str, present: Sequence[Assembly]) -> Batch | None:
    """Return the batch of a run with an id of its own; None if the lake has it, or another assembly of that id."""
    items = [item for item in survey.items if item.id == wanted]
    existing = next((each for each in present if each.assembly_id == wanted), None)
    if existing is not None and not _can_continue(survey, items, existing):
        return None
    if not items:
        return None if existing else Batch((), (wanted,), wanted, error=NO_FILE)
    return _batch(
        items,
        assembly_id=wanted,
        known_gaps=tuple(_baseline_gap(survey.items)),
        error=_error(survey, items[0]),
        existing=existing,
    )


def _can_continue(survey: Survey, items: Sequence[Item], existing: Assembly) -> bool:
    """Whether the import of a run in the lake must be continued; if not, report why."""
    imported = {(name, wanted): (name, wanted, sha256) for name, wanted, sha256 in files_of(existing)}
    foreign = existing.settings.get(MADE_BY) != IMPORT
    closed = foreign or existing.status in ("completed", "discarded")
    changed = [
        item for item in items if imported.get((item.name, item.id), None if closed else item.key) != item.key
    ]
    for item in changed:
        _report_changed(survey, item, existing)
    nothing_new = existing.status == "completed" or (
        existing.status == "failed"
        and all(item.key in imported.values() and _error(survey, item) for item in items)
    )
    for item in items if nothing_new and not changed else ():
        _report_imported(survey, item, existing)
    return not changed and not nothing_new


def _error(survey: Survey, item: Item) -> str | None:
    """Return why an assembly counts as failed: the list does not have it as completed."""
    listed = survey.listed.get(item.id)
    return (
        None if listed is None or listed.completed else f"listed as {listed.statuses[-1]}, never as completed"
    )


def _report_unfinished(survey: Survey, kept: Sequence[Assembly], name: str) -> None:
    """Report the files that the list does not have as completed, and those that are completed in the lake all the same."""
    owners = {key: each for each in kept for key in files_of(each)}
    corrected = {each.assembly_id for each, _ in corrections(survey, kept)}
    for item in (each for each in survey.items if _error(survey, each)):
        listed = f"listed as {survey.listed[item.id].statuses[-1]}"
        owner = owners.get(item.key)
        if owner is None or owner.status != "completed":
            survey.report("not completed", id=item.id, file=item.file, detail=f"{listed}, imported as failed")
            continue
        advice = (
            f"to be recorded as failed: {owner.assembly_id}"
            if owner.assembly_id in corrected
            else f"with other files. Take them out with: lakebatch discard {name} {owner.assembly_id} --reason TEXT, and "
            "import again"
        )
        survey.report(
            "wrong status", id=item.id, file=item.file, detail=f"{listed}, completed in the lake, {advice}"
        )


def _gap(missing: str) -> str:
    return f"{level_part(missing)} is listed as completed and could not be imported"


def _baseline_gap(items: Iterable[Item]) -> list[str]:
    levels = {level for item in items for level in (*item.levels, item.level) if level is not None}
    return [NO_BASELINE] if levels and 0.0 not in levels else []


def _report_imported(survey: Survey, item: Item, owner: Assembly) -> None:
    survey.report(
        "already imported", id=item.id, file=item.file, rows=item.rows, detail=f"as {owner.assembly_id}"
    )


def _report_changed(
    survey: Survey,
    item: Item,
    owner: Assembly,
    why: str = "has other content of this id, and nothing is overwritten",
) -> None:
    survey.report(
        "changed file", id=item.id, file=item.file, detail=f"{owner.assembly_id} ({owner.status}) {why}"
    )
