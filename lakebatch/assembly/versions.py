"""Experiment versions in a lake: the choice of one by name, and the names of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from lakebatch.errors import ConfigError, UnknownNameError
from lakebatch.ids import ExperimentName


def find(asked: str, folders: Collection[str]) -> list[str]:
    """Return the folders that a name includes, the newest experiment version last; none if the name is unknown.

    Parameters
    ----------
    asked : str
        NAME, NAME@v1 or a folder, see `lakebatch.ids.ExperimentName`.

    Raises
    ------
    UnknownNameError
        If there are other experiment versions of the name, but not this one.
    ConfigError
        If two folders hold the experiment version.
    """
    wanted = ExperimentName.parse(str(asked))
    known = {each: ExperimentName.parse(each) for each in folders}
    of_name = sorted(
        (each for each, name in known.items() if name.name == wanted.name),
        key=lambda each: known[each].rank,
    )
    found = [each for each in of_name if wanted.includes(known[each])]
    if of_name and not found:
        version = wanted.version if wanted.number is None else asked
        raise UnknownNameError(
            f"There is no experiment version {version!r} of {wanted.name}. "
            f"Known: {', '.join(qualified(folders)[each] for each in of_name)}."
        )
    if wanted.version and len(found) > 1:
        raise ConfigError(
            f"{asked} is in {len(found)} folders: {', '.join(found)}. Name one of the folders instead."
        )
    return found


def shortest(folders: Collection[str]) -> dict[str, str]:
    """Return the shortest name of each folder: NAME for the newest experiment version, NAME@v1 for another.

    >>> shortest(["90_v1_toy", "90_v2_toy", "91_v1_other"])
    {'90_v1_toy': 'toy@v1', '90_v2_toy': 'toy', '91_v1_other': 'other'}
    """
    known = {each: ExperimentName.parse(each) for each in folders}
    in_order = sorted(folders, key=lambda each: known[each].rank)
    newest = {known[each].name: each for each in in_order}  # the last one of a name
    return {
        each: known[each].name if newest[known[each].name] == each else name
        for each, name in qualified(folders).items()
    }


def qualified(folders: Collection[str]) -> dict[str, str]:
    """Return the name with the experiment version of each folder; the folder itself where two share that name.

    >>> qualified(["90_v1_toy", "90_v2_toy", "91_v2_toy"])
    {'90_v1_toy': 'toy@v1', '90_v2_toy': '90_v2_toy', '91_v2_toy': '91_v2_toy'}
    """
    names = {each: str(ExperimentName.parse(each)) for each in folders}
    count = Counter(names.values())
    return {each: name if count[name] == 1 else each for each, name in names.items()}
