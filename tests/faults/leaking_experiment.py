"""An experiment that spills the environment wherever it can; copied to ``experiments/leak.py``."""

import logging
import os
import warnings

import polars as pl

from lakebatch.experiment.contract import ConfigModel, Experiment, Part, setting

if False:
    raise ValueError(f"{dict(os.environ)}")


class LeakConfig(ConfigModel):
    """What it leaks."""

    note: str = setting("", help="A note that is kept.")


class Leak(Experiment[LeakConfig, None]):
    """It."""

    name, number, version, config_model = "leak", "95", "v1", LeakConfig

    def parts(self, config):
        return [Part("caught"), Part("raised"), Part("\x1b]0;owned\x07"), Part("gap")]

    def known_gaps(self, config):
        return ["\x1b[2Ja gap"]

    def run(self, part, prepared, config, rng):
        spilled = f"\x1b[31m{dict(os.environ)}\nand {os.environ['S3_SECRET_KEY']}"
        if part.key == "raised":
            raise ValueError(spilled)
        if part.key == "gap":
            return {"results": pl.DataFrame({spilled: [1]})}
        logging.getLogger("leak").warning(spilled)
        warnings.warn(spilled, stacklevel=2)
        return {"results": pl.DataFrame({"error": [spilled], "model": [os.environ["NTFY_TOKEN"]]})}
