"""An experiment with every table, times of fits and parts in pieces; copied to ``experiments/cohort.py``."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import polars as pl

from lakebatch.experiment.contract import ConfigModel, Experiment, Frames, Part, setting

FACTOR = 1.0


class CohortConfig(ConfigModel):
    """How many patients there are, and at which levels they are measured."""

    levels: tuple[float, ...] = setting((0.0, 0.1, 0.2), help="Levels.", unit="1")
    n_samples: int = setting(5, help="Patients.", ge=1)
    seed: int = setting(1, help="Seed of all replicates.", ge=0)
    fail: tuple[float, ...] = setting((), help="Levels that raise.")


class Cohort(Experiment[CohortConfig, "pl.Series"]):
    """Patients with time courses, and fits of what was measured of them."""

    name = "cohort"
    number = "92"
    version = "v1"
    config_model = CohortConfig
    tables = ("trajectories", "samples", "results")

    def parts(self, config: CohortConfig) -> list[Part]:
        """Return one part per level."""
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def prepare(self, config: CohortConfig, rng: np.random.Generator) -> pl.Series:
        """Draw the targets."""
        return pl.Series(rng.normal(size=config.n_samples))

    def run(self, part: Part, prepared: pl.Series, config: CohortConfig, rng: np.random.Generator) -> Frames:
        """Yield time courses and samples one by one, and then a fit for each."""
        level = part.values["level"]
        if level in config.fail:
            raise ValueError(f"level {level} is bad")
        return _pieces(level, prepared, rng)


def _pieces(level: float, targets: pl.Series, rng: np.random.Generator) -> Iterator[dict[str, pl.DataFrame]]:
    for sample, target in enumerate(targets):
        values = pl.Series([rng.normal(size=4).tolist()], dtype=pl.List(pl.Float32))
        course = {"level": level, "sample": sample, "species": "A"}
        yield {"trajectories": pl.DataFrame(course | {"values": values})}
        names = pl.Series([["A", "B"]])
        yield {
            "samples": pl.DataFrame(
                {"level": level, "sample": sample, "target": target, "initial_names": names}
            )
        }
    for repeat in range(len(targets)):
        began = time.perf_counter()
        r2 = FACTOR * float(rng.random())
        row = {
            "level": level,
            "repeat": repeat,
            "r2": r2,
            "mse": 1 - r2,
            "fit_seconds": time.perf_counter() - began,
        }
        yield {"results": pl.DataFrame(row)}
