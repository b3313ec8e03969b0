"""An experiment of drawn numbers with an own table of lists; copied to ``experiments/curves.py``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl

from lakebatch.experiment.contract import ConfigModel, Experiment, Frames, Part, setting
from lakebatch.experiment.declare import column, table

N_ROWS = 50


class CurvesConfig(ConfigModel):
    """The levels, and which of them fail."""

    levels: tuple[float, ...] = setting((0.0, 0.1, 0.2), help="Levels.", unit="1")
    seed: int = setting(1, help="Seed of all replicates.", ge=0)
    fail: tuple[float, ...] = setting((), help="Levels that raise.")


class Curves(Experiment[CurvesConfig, float]):
    """Fifty drawn results and a curve for each level."""

    name = "curves"
    number = "92"
    version = "v1"
    config_model = CurvesConfig
    tables: ClassVar = (
        table(
            "curves",
            "One row per level.",
            [
                column("level", "double", "Level.", unit="1"),
                column("names", "list<string>", "Names of the points."),
                column("running", "list<double>", "Running mean.", unit="1"),
            ],
        ),
        "results",
    )

    def parts(self, config: CurvesConfig) -> list[Part]:
        """Return one part per level."""
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def prepare(self, config: CurvesConfig, rng: np.random.Generator) -> float:
        """Draw the number that all parts share."""
        return float(rng.normal())

    def run(self, part: Part, prepared: float, config: CurvesConfig, rng: np.random.Generator) -> Frames:
        """Return one curve and fifty results."""
        level = part.values["level"]
        if level in config.fail:
            raise ValueError(f"level {level} is bad")
        drawn = np.minimum(rng.normal(prepared, 1.0, N_ROWS), 1.0)
        results = {"level": level, "repeat": range(N_ROWS), "mse": drawn**2, "r2": drawn}
        running = (drawn.cumsum() / np.arange(1, N_ROWS + 1))[:3].tolist()
        curve = pl.DataFrame({"level": [level], "names": [["a", "b", f"{level:g}"]], "running": [running]})
        return {"curves": curve, "results": pl.DataFrame(results)}
