"""An experiment that stores artifacts; copied to ``experiments/models.py``."""

import json
import os

import polars as pl

from lakebatch.experiment import ConfigModel, Experiment, Part, artifact, setting


class ModelsConfig(ConfigModel):
    levels: tuple[float, ...] = setting((0.0, 0.1), help="Levels.", unit="1")
    kilobytes: int = setting(1, help="Size of the weights.", unit="kB", ge=0)
    seed: int = setting(1, help="Seed of all replicates.", ge=0)
    names: tuple[str, ...] = setting((), help="Names of more artifacts.")
    secret: str = setting("", help="Environment variable whose value is stored.")
    breach: str = setting("", help="How the contract is broken.")


class Models(Experiment[ModelsConfig, None]):
    name, number, version = "models", "91", "v1"
    config_model = ModelsConfig
    tables = ("artifacts", "results")

    def parts(self, config):
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def run(self, part, prepared, config, rng):
        level = part.values["level"]
        slope = float(rng.normal())
        stored = [
            artifact("model.json", json.dumps({"slope": slope})),
            artifact("weights/0.bin", rng.bytes(1000 * config.kilobytes)),
            *(artifact(name, name) for name in config.names),
        ]
        if config.secret:
            stored.append(artifact("notes.txt", f"key: {os.environ[config.secret]}"))
        if config.breach:
            stored = {"frame": pl.DataFrame({"name": ["a"]}), "text": "model", "row": [b"model"]}[
                config.breach
            ]
        yield {"artifacts": stored}
        yield {"results": pl.DataFrame({"level": [level], "mse": [slope**2]})}
