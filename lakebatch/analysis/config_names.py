"""Short names of configs for legends and tables: the keys in which they differ, with their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from lakebatch.assembly.record import Assembly
from lakebatch.snapshot.mixture import NOT_SET, differing, key_texts

ONLY = "all assemblies"
"""The name of a config when there is no other."""
MAX_KEYS = 2
MAX_LENGTH = 20


def config_names(assemblies: Iterable[Assembly]) -> dict[str, str]:
    """Return the name of the config of each assembly, by id: unique, and short enough for a legend.

    Parameters
    ----------
    assemblies : iterable of Assembly
        The assemblies whose configs are told apart.
    """
    hashes = {each.assembly_id: each.config_hash for each in assemblies}
    trees = {each.config_hash: key_texts(each.settings) for each in assemblies}
    keys = _differing(trees)
    chosen = _telling(trees, keys)
    names = _unique({config: _name(tree, chosen, len(keys)) for config, tree in trees.items()})
    return {assembly_id: names[config] for assembly_id, config in hashes.items()}


def _differing(trees: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the keys with different values in some configs, those with short values first."""
    values = differing(list(trees.values()))
    return sorted(values, key=lambda key: max(map(len, values[key])) > MAX_LENGTH)


def _telling(trees: Mapping[str, Mapping[str, str]], keys: list[str]) -> list[str]:
    """Return the first keys that tell all configs apart, `MAX_KEYS` at most."""
    for count in range(1, MAX_KEYS):
        if len({tuple(tree.get(key) for key in keys[:count]) for tree in trees.values()}) == len(trees):
            return keys[:count]
    return keys[:MAX_KEYS]


def _name(tree: Mapping[str, str], keys: list[str], count: int) -> str:
    if not keys:
        return ONLY
    shown = [f"{key} {_short(tree.get(key, NOT_SET))}" for key in keys]
    more = count - len(keys)
    others = f"{more} more key{'s' if more > 1 else ''}"
    return ", ".join([*shown, *([others] if more else [])])


def _short(value: str) -> str:
    return value if len(value) <= MAX_LENGTH else f"{value[: MAX_LENGTH - 3]}..."


def _unique(names: dict[str, str]) -> dict[str, str]:
    """Return names with the start of the config's hash where several configs have one name."""
    count = Counter(names.values())
    return {config: name if count[name] == 1 else f"{name} ({config[:6]})" for config, name in names.items()}
