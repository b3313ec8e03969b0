"""Names of experiment versions in SQL: the schemas of their views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from lakebatch.assembly import versions
from lakebatch.ids import RESERVED, ExperimentName


def schemas(folders: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the schemas of each experiment version: ``batch_effect_v1`` and, of the newest, ``batch_effect`` too.

    A name with two meanings is the schema of neither. An experiment version without another name then is the schema
    ``batch_effect__12_v1``, with the number and the experiment version of its folder.

    >>> schemas(["12_v1_batch-effect", "12_v2_batch-effect"])
    {'12_v1_batch-effect': ('batch_effect_v1',), '12_v2_batch-effect': ('batch_effect_v2', 'batch_effect')}
    """
    wanted = _wanted(folders)
    count = Counter(name for names in wanted.values() for name in names)
    free = {
        folder: tuple(name for name in names if count[name] == 1 and not _is_reserved(name))
        for folder, names in wanted.items()
    }
    return {folder: names or (_whole(folder),) for folder, names in free.items()}


def renamed(folders: Collection[str]) -> Iterator[str]:
    """Yield a line for each name that is no schema, since it has another meaning."""
    wanted, found = _wanted(folders), schemas(folders)
    lost = {name: None for folder in wanted for name in wanted[folder] if name not in found[folder]}
    for name in lost:
        claims = [folder for folder in wanted if name in wanted[folder]]
        called = [f"{versions.qualified(folders)[each]} is called {found[each][0]}" for each in claims]
        meanings = "another meaning" if _is_reserved(name) else "two meanings"
        yield f"{name} is no schema in SQL, since the name has {meanings}: {', '.join(called)}."


def _wanted(folders: Collection[str]) -> dict[str, list[str]]:
    """Return the names that the schemas of each experiment version should have."""
    newest = versions.shortest(folders)
    wanted = {}
    for folder in folders:
        known = ExperimentName.parse(folder)
        names = [f"{known.name}-{known.version}", *([known.name] if newest[folder] == known.name else [])]
        wanted[folder] = [name.replace("-", "_") for name in names]
    return wanted


def _whole(folder: str) -> str:
    """Return a name that no other experiment version can have: no name of an experiment has two dashes in a row."""
    known = ExperimentName.parse(folder)
    return f"{known.name.replace('-', '_')}__{known.number}_{known.version}"


def _is_reserved(name: str) -> bool:
    return name.replace("_", "-") in RESERVED
