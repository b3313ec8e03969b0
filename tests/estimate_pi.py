"""Monte Carlo estimate of pi."""

import numpy as np
import polars as pl

from lakebatch.experiment import ConfigModel, Experiment, Part, column, metric, setting, table


class Config(ConfigModel):
    points: tuple[int, ...] = setting((100, 1000, 10000), help="Points drawn.")
    repeats: int = setting(20, ge=1, help="Estimates for each number of points.")
    seed: int = setting(1, ge=0, help="Seed.")


class EstimatePi(Experiment[Config, None]):
    name = "estimate-pi"
    number = "20"
    version = "v1"
    config_model = Config
    tables = (
        table(
            "curves", "One row per repeat.", [column("running", "list<double>", "Running mean.", unit="1")]
        ),
        "results",
    )
    columns = (
        column("points", "long", "Points drawn.", unit="1", minimum=1),
        column("method", "string", "Way of drawing."),
        metric(
            "error_of_pi",
            "Distance of the estimate from pi.",
            higher_is_better=False,
            minimum=0,
            label="|estimate - π|",
        ),
        metric("hits", "Share of hits.", minimum=0, maximum=1),
    )
    axis = "points"
    groups = ("method",)

    def parts(self, config):
        return [Part(f"points={n}", {"points": n}) for n in config.points]

    def work(self, part, config):
        return 2 * config.repeats

    def run(self, part, prepared, config, rng):
        rows, curves = [], []
        for repeat in range(config.repeats):
            points = rng.random((part.values["points"], 2))
            mirrored = np.concatenate([points[::2], 1 - points[::2]])[: len(points)]
            for method, drawn in (("uniform", points), ("antithetic", mirrored)):
                hits = (drawn**2).sum(axis=1) < 1
                error = abs(4 * hits.mean() - np.pi)
                rows.append((len(points), method, repeat, error, hits.mean()))
            curves.append((np.cumsum(hits) / np.arange(1, len(hits) + 1)).tolist())
        names = ["points", "method", "repeat", "error_of_pi", "hits"]
        yield {
            "curves": pl.DataFrame({"running": curves}),
            "results": pl.DataFrame(rows, schema=names, orient="row"),
        }
