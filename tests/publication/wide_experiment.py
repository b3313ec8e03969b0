"""An experiment with columns, a table, samples, time courses and artifacts; copied to ``experiments/wide.py``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl

from lakebatch.experiment import ConfigModel, Experiment, Part, artifact, column, setting, table

N_SAMPLES = 3
N_REPEATS = 2
NOTE = '; "quoted", and\na second line'


class WideConfig(ConfigModel):
    """Values of every kind that a config can have."""

    levels: tuple[float, ...] = setting((0.0, 0.1), help="Levels.", unit="mM")
    fail: tuple[float, ...] = setting((), help="Levels that raise.")
    n_points: int = setting(4, help="Points of a time course.", ge=1)
    scale: float = setting(1e-3, help="Scale of the noise.", unit="mM")
    is_noisy: bool = setting(True, help="Whether there is noise.")
    comment: str = setting("", help="Any text.")
    bound: float | None = setting(None, help="Largest value.")
    weights: dict[str, float] = setting({"a": 0.5}, help="Weight of each species.")
    seed: int = setting(1, help="Seed.", ge=0)


class Wide(Experiment[WideConfig, None]):
    """Does a publication hold everything that an experiment can store?"""

    name = "wide"
    number = "93"
    version = "v1"
    config_model = WideConfig
    tables: ClassVar = (
        table(
            "peaks",
            "One row per level.",
            [
                column("level", "double", "Level.", unit="mM"),
                column("names", "list<string>", "Names of the peaks."),
                column("heights", "list<double>", "Heights of the peaks.", unit="mM", nullable=False),
                column("image", "binary", "Bytes."),
                column("text", "string", "A text with everything that a CSV file has to quote."),
                column("found", "boolean", "Whether there is a peak."),
                column("measured_at", "timestamp", "A time.", volatile=True),
            ],
        ),
        "samples",
        "trajectories",
        "artifacts",
        "results",
    )
    columns = (column("shots", "long", "Points drawn.", unit="1", minimum=0),)

    def parts(self, config):
        """Return one part per level."""
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def run(self, part, prepared, config, rng):
        """Return rows of every table."""
        level = part.values["level"]
        if level in config.fail:
            raise ValueError(f"level {level} is bad")
        yield {
            "results": _results(level, rng),
            "peaks": _peaks(level),
            "samples": _samples(level, rng),
            "trajectories": _trajectories(level, config, rng),
            "artifacts": [artifact("notes/fit.txt", f"level {level}")],
        }


def _results(level, rng):
    r2 = 1 - rng.random(N_REPEATS)
    rows = {
        "level": level,
        "feature_set": "initial",
        "model": "linear",
        "repeat": range(N_REPEATS),
        "shots": 2**53 + 1,
    }
    rows |= {
        "mse": rng.random(N_REPEATS) * 1e-300,
        "r2": r2,
        "pearson_r": [None, 0.1],
        "error": ["constant", None],
    }
    return pl.DataFrame(rows)


def _peaks(level):
    rows = {
        "level": level,
        "names": [["a, b", 'c"d']],
        "heights": [[0.1, 1 / 3]],
        "image": bytes(range(256)),
        "text": f"ü{NOTE}",
    }
    time = pl.lit("2026-01-02T03:04:05.678901Z").str.to_datetime(time_unit="us", time_zone="UTC")
    return pl.DataFrame(rows).with_columns(found=pl.lit(level > 0), measured_at=time)


def _samples(level, rng):
    values = rng.random((N_SAMPLES, 2)).tolist()
    return pl.DataFrame(
        {
            "level": level,
            "sample": range(N_SAMPLES),
            "target": np.arange(N_SAMPLES) / 3,
            "initial_names": [["A", "B"]] * 3,
            "initial": values,
        }
    )


def _trajectories(level, config, rng):
    values = rng.random((N_SAMPLES, config.n_points)).astype(np.float32).tolist()
    kinds = pl.Schema(
        {"level": pl.Float64, "sample": pl.Int64, "species": pl.String, "values": pl.List(pl.Float32)}
    )
    rows = {"level": level, "sample": range(N_SAMPLES), "species": "A", "values": values}
    return pl.DataFrame(rows, schema=kinds)
