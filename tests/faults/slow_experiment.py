"""An experiment of eight parts that take a moment each; copied to ``experiments/toy.py``.

It says in the file that the environment variable TOY_COMPUTED names which parts it has computed.
"""

from __future__ import annotations

import os
import time

import numpy as np
import polars as pl

from lakebatch.experiment.contract import ConfigModel, Experiment, Part, setting

N_REPEATS = 3
COMPUTED = "TOY_COMPUTED"


class ToyConfig(ConfigModel):
    """Which levels there are and how long each takes."""

    levels: tuple[float, ...] = setting(tuple(i / 10 for i in range(8)), help="Levels.", unit="1")
    pause: float = setting(0.15, help="Time that a part takes.", unit="s", ge=0)
    seed: int = setting(1, help="Seed of all replicates.", ge=0)


class Toy(Experiment[ToyConfig, float]):
    """Random numbers around one that is drawn in the preparation."""

    name = "toy"
    number = "91"
    version = "v1"
    config_model = ToyConfig

    def parts(self, config: ToyConfig) -> list[Part]:
        """Return one part per level."""
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def prepare(self, config: ToyConfig, rng: np.random.Generator) -> float:
        """Draw the number that all parts share."""
        return float(rng.normal())

    def run(
        self, part: Part, prepared: float, config: ToyConfig, rng: np.random.Generator
    ) -> dict[str, pl.DataFrame]:
        """Return a row per repeat, after a pause."""
        began = time.perf_counter()
        time.sleep(config.pause)
        columns = {
            "level": [part.values["level"]] * N_REPEATS,
            "repeat": range(N_REPEATS),
            "mse": rng.normal(prepared, 1.0, N_REPEATS) ** 2,
            "r2": -rng.exponential(size=N_REPEATS),
            "fit_seconds": [time.perf_counter() - began] * N_REPEATS,
        }
        _note(part.key)
        return {"results": pl.DataFrame(columns)}


def _note(part: str) -> None:
    """Append a line in one write, so that lines of several processes stay whole."""
    file = os.open(os.environ[COMPUTED], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{part}\n".encode())
    os.close(file)
