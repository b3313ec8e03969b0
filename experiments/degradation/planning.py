"""Parts of a degradation experiment: one per level, finer where a level takes long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from lakebatch.experiment import Part

from .config import DegradationConfig, level_name

MAX_PART_WORK = 30_000
"""Max fits times samples of a part: about half a minute of one core with the standard models."""

WIDTHS = {"initial": 1, "last": 2, "dynamic": 20}
"""Approximate relative number of columns of the components of a feature set."""


def plan_parts(config: DegradationConfig) -> list[Part]:
    """Return the parts: one per level, else per level and feature set, else per section of its repeats.

    The cut depends on the config alone. All parts of a level share a random stream, so that they see the
    same perturbation. Where levels are cut, the wide feature sets, which take longest, come first.

    Examples
    --------
    >>> from ..prediction.config import EvaluationConfig
    >>> few = DegradationConfig(levels=(0, 0.1), evaluation=EvaluationConfig(n_reps=2))
    >>> [part.key for part in plan_parts(few)]
    ['level=0', 'level=0.1']
    """
    evaluation = config.evaluation
    repeats = range(evaluation.n_reps)
    if _size(config, len(evaluation.feature_sets), len(repeats)) <= MAX_PART_WORK:
        cuts = [(level, evaluation.feature_sets, repeats, "") for level in config.levels]
    else:
        cuts = [
            (level, (name,), section, f"/{name}{_suffix(section, repeats)}")
            for name in sorted(evaluation.feature_sets, key=_width, reverse=True)
            for section in _sections(config, repeats)
            for level in config.levels
        ]
    return [
        _part(*cut, is_first=index == 0, opens_level=index < len(config.levels))
        for index, cut in enumerate(cuts)
    ]


def cut(part: Part) -> list[Part]:
    """Return one piece for each repeat of each feature set; the first one stores what the part stores."""
    pieces = [(name, repeat) for name in part.values["feature_sets"] for repeat in part.values["repeats"]]
    return [
        replace(
            part,
            key=f"{part.key}/{name}/repeat={repeat}",
            values={
                **part.values,
                "feature_sets": (name,),
                "repeats": range(repeat, repeat + 1),
                "stores_cohort": part.values["stores_cohort"] and index == 0,
                "stores_level": part.values["stores_level"] and index == 0,
            },
        )
        for index, (name, repeat) in enumerate(pieces)
    ]


def fits(part: Part, config: DegradationConfig) -> int:
    """Return the number of fits in a part."""
    return len(part.values["feature_sets"]) * len(part.values["repeats"]) * len(config.evaluation.models)


def _size(config: DegradationConfig, n_feature_sets: int, n_repeats: int) -> int:
    return n_feature_sets * n_repeats * len(config.evaluation.models) * config.cohort.n_samples


def _sections(config: DegradationConfig, repeats: range) -> Iterator[range]:
    """Yield the repeats in the fewest nearly even sections that keep each part small."""
    n_sections = min(math.ceil(_size(config, 1, len(repeats)) / MAX_PART_WORK), len(repeats))
    bounds = [round(index * len(repeats) / n_sections) for index in range(n_sections + 1)]
    for first, end in pairwise(bounds):
        yield repeats[first:end]


def _suffix(section: range, repeats: range) -> str:
    return "" if section == repeats else f"/repeats={section.start}-{section.stop - 1}"


def _width(feature_set: str) -> int:
    """Rank a feature set by its number of columns."""
    return sum(WIDTHS.get(part, 0) for part in feature_set.split("+"))


def _part(
    level: float,
    feature_sets: Sequence[str],
    repeats: range,
    suffix: str,
    *,
    is_first: bool,
    opens_level: bool,
) -> Part:
    stream = f"level={level_name(level)}"
    values = {
        "level": level,
        "feature_sets": tuple(feature_sets),
        "repeats": repeats,
        "stores_cohort": is_first,
        "stores_level": opens_level,
    }
    return Part(f"{stream}{suffix}", values, stream)
