"""An experiment of a few numbers that can be made to fail in every way; copied to ``experiments/toy.py``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from lakebatch.experiment.contract import ConfigModel, Experiment, Frames, Part, setting

N_REPEATS = 3


class ToyConfig(ConfigModel):
    """Which levels there are, and what goes wrong at which."""

    levels: tuple[float, ...] = setting((0.0, 0.1, 0.2), help="Levels.", unit="1")
    seed: int = setting(1, help="Seed of all replicates.", ge=0)
    at_once: bool = setting(False, help="Return one frame instead of yielding one per repeat.")
    fail: tuple[float, ...] = setting((), help="Levels that raise, unless the file 'mended' is there.")
    die: tuple[float, ...] = setting((), help="Levels that kill their process.")
    die_once: tuple[float, ...] = setting((), help="Levels that kill their process the first time.")
    wait: tuple[float, ...] = setting(
        (), help="Levels that touch 'waiting' and wait, unless 'mended' is there."
    )
    breach: str = setting("", help="How the level 0.1 breaks the contract.")


class Toy(Experiment[ToyConfig, float]):
    """Random numbers around one that is drawn in the preparation."""

    name = "toy"
    number = "90"
    version = "v1"
    config_model = ToyConfig

    def parts(self, config: ToyConfig) -> list[Part]:
        """Return one part per level."""
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def prepare(self, config: ToyConfig, rng: np.random.Generator) -> float:
        """Draw the number that all parts share."""
        return float(rng.normal())

    def run(self, part: Part, prepared: float, config: ToyConfig, rng: np.random.Generator) -> Frames:
        """Return three rows."""
        level = part.values["level"]
        with Path(__file__).parents[1].joinpath("computed").open("a") as note:
            note.write(f"{part.key}\n")
        _misbehave(level, config)
        rows = [_row(level, repeat, prepared, rng) for repeat in range(N_REPEATS)]
        if config.breach and level == 0.1:
            return BREACHES[config.breach](rows)
        return {"results": pl.concat(rows)} if config.at_once else _one_by_one(rows)

    def known_gaps(self, config: ToyConfig) -> list[str]:
        """Return that the baseline is missing, where it is."""
        return [] if 0.0 in config.levels else ["the baseline, level 0, is not among the levels"]


def _row(level: float, repeat: int, prepared: float, rng: np.random.Generator) -> pl.DataFrame:
    return pl.DataFrame(
        {"level": [level], "repeat": [repeat], "mse": [float(rng.normal()) ** 2], "r2": [-(prepared**2)]}
    )


def _one_by_one(rows: list[pl.DataFrame]) -> Iterator[dict[str, pl.DataFrame]]:
    for row in rows:
        yield {"results": row}


def _misbehave(level: float, config: ToyConfig) -> None:
    if level in config.fail and not Path("mended").exists():
        raise ValueError(f"level {level} is bad")
    if level in config.die:
        os.kill(os.getpid(), signal.SIGKILL)
    if level in config.die_once and not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if level in config.wait and not Path("mended").exists():
        Path("waiting").touch()
        time.sleep(3600)


def _spoil(**columns: pl.Expr) -> Callable[[list[pl.DataFrame]], Frames]:
    """Return what yields good rows and then one with other values."""
    return lambda rows: _one_by_one([rows[0].with_columns(**columns), rows[1].with_columns(**columns)])


BREACHES: dict[str, Callable[[list[pl.DataFrame]], Frames]] = {
    "undeclared table": lambda rows: {"results": rows[0], "samples": rows[0]},
    "no frame": lambda rows: {},
    "no row": lambda rows: {"results": rows[0].clear()},
    "nothing": lambda rows: None,  # type: ignore[dict-item,return-value]
    "filled in here": _spoil(part=pl.lit("level=0.2")),
    "unknown column": _spoil(colour=pl.lit("red")),
    "wrong type": _spoil(level=pl.lit("high")),
    "not a number": _spoil(r2=pl.lit(float("nan"))),
    "no reason": _spoil(r2=pl.lit(None, pl.Float64)),
    "constraint": _spoil(r2=pl.lit(1.5)),
    "other columns": lambda rows: _one_by_one([rows[0], rows[1].drop("mse")]),
}
