"""A degradation study of drawn numbers, quick and with everything that can be odd; copied to ``experiments/study.py``."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl

from lakebatch.experiment.contract import ConfigModel, Experiment, Frames, Part, setting

FEATURE_SETS = {"initial": 0.5, "dynamic": 0.8, "initial+dynamic": 0.82}
MODELS = {"linear": 1.0, "forest": 0.95}


class StudyConfig(ConfigModel):
    """Which levels and splits there are, and what goes wrong."""

    levels: tuple[float, ...] = setting((0.0, 0.1, 0.3), help="Levels.", unit="1")
    n_reps: int = setting(3, help="Splits.")
    seed: int = setting(1, help="Seed of all replicates.", ge=0)
    fail: tuple[float, ...] = setting((), help="Levels that raise.")
    fault: str = setting("constant prediction", help="What the error of a fit or a part says.", file=True)


class Study(Experiment[StudyConfig, float]):
    """Pearson r that falls with the level, from a value that differs between assemblies."""

    name = "study"
    number = "91"
    version = "v1"
    config_model = StudyConfig
    meanings = {"feature_set": {"dynamic": "features over time"}}  # noqa: RUF012 - a ClassVar of its base

    def parts(self, config: StudyConfig) -> list[Part]:
        """Return one part per level."""
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def prepare(self, config: StudyConfig, rng: np.random.Generator) -> float:
        """Draw what the assembly's fits have in common."""
        return float(rng.normal(0, 0.03))

    def run(self, part: Part, prepared: float, config: StudyConfig, rng: np.random.Generator) -> Frames:
        """Return a row per feature set, model and split; one fit cannot be computed."""
        level = part.values["level"]
        if level in config.fail:
            raise ValueError(config.fault)
        fits = product(FEATURE_SETS, MODELS, range(config.n_reps))
        return {
            "results": pl.DataFrame([_fit(level, *fit, prepared, config, rng) for fit in fits], strict=False)
        }

    def work(self, part: Part, config: StudyConfig) -> int:
        """Return the number of fits."""
        return len(FEATURE_SETS) * len(MODELS) * config.n_reps

    def known_gaps(self, config: StudyConfig) -> list[str]:
        """Return that the baseline is missing, where it is."""
        return [] if 0.0 in config.levels else ["the baseline, level 0, is not among the levels"]


def _fit(
    level: float,
    feature_set: str,
    model: str,
    repeat: int,
    prepared: float,
    config: StudyConfig,
    rng: np.random.Generator,
) -> dict[str, float | str | None]:
    r = (FEATURE_SETS[feature_set] + prepared) * MODELS[model] - 0.6 * level + rng.normal(0, 0.05)
    row = {
        "level": level,
        "feature_set": feature_set,
        "model": model,
        "repeat": repeat,
        "seed": repeat,
        "n_train": 80,
        "n_test": 20,
        "mse": 10 * (1 - r),
        "r2": r**2,
        "pearson_r": r,
        "pearson_p": 0.01,
        "fit_seconds": 0.25 + 0.5 * rng.random(),
        "error": None,
    }
    if (level, feature_set, model, repeat) == (0.3, "dynamic", "forest", 2):
        row |= {"mse": None, "r2": None, "pearson_r": None, "pearson_p": None, "error": config.fault}
    return row
