"""Base of the noise and distortion experiments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

import numpy as np
import polars as pl

from lakebatch.errors import ConfigError, ExperimentError, UnknownNameError
from lakebatch.experiment import Column, Diagram, Experiment, Part, Spread, TimeAxis, report_phase

from ..prediction import scorers
from ..prediction.feature_sets import MEANINGS, FeatureSet, build_feature_sets, select_forms
from ..prediction.models import STANDARD_MODELS
from ..virtual_cohort.cohort import Cohort, check_own_model, cohort_diagram, generate_cohort
from ..virtual_cohort.simulation import time_points
from .config import BASELINE, DegradationConfig
from .measurement import Measurement, blocks, clean_measurement, cohort_tables, level_tables, restore
from .patient_model import patient_model
from .planning import cut, fits, plan_parts


@dataclass(frozen=True, eq=False)
class Prepared:
    """What all parts share.

    Attributes
    ----------
    cohort : Cohort
        The patients and their clean simulation.
    split_seeds : tuple of int, length n_reps
        The same splits for every level, feature set and model: a paired design.
    dropped : mapping of int to str
        The patients that are left out at every level since they could not be simulated at one, with their reasons.
    """

    cohort: Cohort
    split_seeds: tuple[int, ...]
    dropped: Mapping[int, str] = field(default_factory=dict)
    _last: dict[float, Measurement] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_last": {}}

    def measured(self, level: float, measure: Callable[[], Measurement]) -> Measurement:
        """Return the measurement at a level, made once for pieces of the level that follow one another."""
        if level not in self._last:
            self._last.clear()
            self._last[level] = measure()
        return self._last[level]

    def kept(self, measured: Measurement) -> Measurement:
        """Return a measurement without the dropped patients."""
        if not self.dropped:
            return measured
        return measured.of_samples(np.delete(np.arange(len(self.cohort.target)), list(self.dropped)))


Config = TypeVar("Config", bound=DegradationConfig)


class DegradationStudy(Experiment[Config, Prepared]):
    """Simulate a cohort, perturb its measurement, and record how well the response is predicted.

    A subclass implements `perturb`, the effect of a level.
    """

    tables = ("samples", "trajectories", "results")
    unit = "fits"
    presets = "lakebatch.experiments"
    meanings: ClassVar = {
        "feature_set": MEANINGS,
        "model": {each.name: each.path for each in STANDARD_MODELS.values()},
    }

    def perturb(self, level: float, cohort: Cohort, config: Config, rng: np.random.Generator) -> Measurement:
        """Return the measurement of the cohort at a level above the baseline."""
        raise NotImplementedError

    def parts(self, config: Config) -> list[Part]:
        """Return one part per level, finer where a level takes long; refuse models and splits that cannot be had."""
        evaluation = config.evaluation
        evaluation.check_splits(config.cohort.n_samples)
        trained_on_others = not evaluation.outcome_features and {"last", "dynamic"} & {
            *evaluation.feature_sets
        }
        check_own_model(config, distorted=self.distorts(config), others=bool(trained_on_others))
        return plan_parts(config)

    def distorts(self, config: Config) -> bool:
        """Return whether a level distorts the parameters of the model."""
        return False

    def prepare(self, config: Config, rng: np.random.Generator) -> Prepared:
        """Return the cohort with its clean simulation, and the seeds of the splits."""
        return self._prepare(config, rng)

    def _prepare(self, config: Config, rng: np.random.Generator, spread: Spread | None = None) -> Prepared:
        report_phase("loading scikit-learn")
        from ..prediction.evaluation import draw_split_seeds

        if config.evaluation.has_trees():
            from ..prediction.trees import regressors

            regressors.load_in_turn()
        cohort_rng, split_rng = rng.spawn(2)
        return Prepared(
            generate_cohort(config, cohort_rng, spread), draw_split_seeds(config.evaluation.n_reps, split_rng)
        )

    def prepare_spread(self, config: Config, rng: np.random.Generator, spread: Spread) -> Prepared:
        """Return what `prepare` does, with blocks of patients simulated all over a cluster."""
        return self._prepare(config, rng, spread)

    def complete(
        self, prepared: Prepared, config: Config, generator_of: Callable[[Part], np.random.Generator]
    ) -> Prepared:
        """Return the prepared data with the patients to drop, from a simulation of every level.

        Raises
        ------
        ExperimentError
            If too few patients are left to be split.
        """
        if not prepared.cohort.drop:
            return prepared
        dropped = dict(prepared.cohort.time_courses.failures)
        _require_enough(config, dropped)
        first = {part.values["level"]: part for part in reversed(plan_parts(config))}
        for level in config.levels:
            measured = self.measure(level, prepared.cohort, config, generator_of(first[level]))
            for sample, reason in measured.time_courses.failures.items():
                dropped.setdefault(sample, f"at level {level:g}: {reason}")
        _require_enough(config, dropped)
        return replace(prepared, dropped=dict(sorted(dropped.items())))

    def pieces(self, part: Part, config: Config) -> list[Part]:
        """Return one piece for each repeat of each feature set."""
        return cut(part)

    def run(
        self, part: Part, prepared: Prepared, config: Config, rng: np.random.Generator
    ) -> Iterator[Mapping[str, pl.DataFrame]]:
        """Yield the stored data of the level, then the rows of the fits, repeat by repeat."""
        from ..prediction.evaluation import evaluate  # slow to import, and only a worker needs it

        level, repeats = part.values["level"], part.values["repeats"]
        measured = prepared.measured(level, lambda: self.measure(level, prepared.cohort, config, rng))
        yield from self._stored(part, prepared, measured, config)
        measured = prepared.kept(measured)
        for features in feature_sets(part.values["feature_sets"], measured, config):
            for repeat in repeats:
                rows = evaluate(
                    features,
                    measured.target,
                    config.evaluation,
                    prepared.split_seeds[repeat : repeat + 1],
                    level=level,
                    n_clipped=measured.n_clipped,
                    first_repeat=repeat,
                )
                yield {"results": rows}

    def _stored(
        self, part: Part, prepared: Prepared, measured: Measurement, config: Config
    ) -> Iterator[Mapping[str, pl.DataFrame]]:
        """Yield the generated data that a part stores; dropped patients alone if the config stores none."""
        level, cohort, dropped = part.values["level"], prepared.cohort, prepared.dropped
        for block in blocks(len(cohort.target)) if part.values["stores_cohort"] else ():
            yield stored_tables(cohort_tables(cohort, dropped, block), config)
        for block in blocks(len(cohort.target)) if part.values["stores_level"] and level != BASELINE else ():
            yield stored_tables(level_tables(level, measured, cohort, dropped, block), config)

    def measure(self, level: float, cohort: Cohort, config: Config, rng: np.random.Generator) -> Measurement:
        """Return the measurement of the cohort at a level; at the baseline, the clean one."""
        return clean_measurement(cohort) if level == BASELINE else self.perturb(level, cohort, config, rng)

    def dataset(
        self, tables: Mapping[str, pl.DataFrame], config: Config, *, level: float, feature_set: str
    ) -> tuple[pl.DataFrame, pl.Series]:
        """Return the features and the target that the models were trained on at a level.

        Raises
        ------
        UnknownNameError
            If the level or the feature set is not the assembly's.
        ExperimentError
            If its data was not stored.
        """
        _require("level", level, config.levels)
        _require("feature set", feature_set, config.evaluation.feature_sets)
        measured = restore(tables, level, baseline=level == BASELINE)
        (features,) = feature_sets((feature_set,), measured, config)
        return pl.DataFrame(features.values, schema=list(features.columns)), pl.Series(
            "target", measured.target
        )

    def sample_model(
        self,
        rows: pl.DataFrame,
        config: Config,
        rng: np.random.Generator,
        *,
        sample: int,
        level: float | None = None,
    ) -> str:
        """Return the model of one patient as SBML, see `patient_model`."""
        if level is not None:
            _require("level", level, config.levels)
        clean = None if level == BASELINE else level
        return patient_model(rows, config, rng.spawn(2)[0], sample=sample, level=clean)

    def time_axis(self, config: Config) -> TimeAxis:
        """Return the time points of the simulation, and the onsets of drugs or the stimulus."""
        times = tuple(time_points(config.simulation).tolist())
        return TimeAxis(times, "a.u." if config.sbml is None else "the model's unit", config.onsets)

    def diagram(self, config: Config, rng: np.random.Generator) -> Diagram:
        """Return the network with its drugs."""
        return cohort_diagram(config, rng.spawn(2)[0])

    def own_columns(self, config: Config) -> Sequence[Column]:
        """Return the columns of the scorers that the config asks for."""
        return scorers.columns(scorers.chosen(config.evaluation.metrics))

    def metric_names(self, config: Config) -> Sequence[str]:
        """Return the metrics that the config asks for, those of the study first."""
        return config.evaluation.metrics

    def base_seed(self, config: Config) -> int:
        """Return the seed of the evaluation."""
        return config.evaluation.seed

    def work(self, part: Part, config: Config) -> int:
        """Return the number of fits in a part."""
        return fits(part, config)

    def known_gaps(self, config: Config) -> list[str]:
        """Name the baseline if it is not among the levels."""
        if BASELINE in config.levels:
            return []
        return ["the baseline, level 0, which every degradation is measured against, is not among the levels"]


def feature_sets(names: Sequence[str], measured: Measurement, config: DegradationConfig) -> list[FeatureSet]:
    """Return feature sets of a measured cohort by their names."""
    forms = measured.time_courses.form_names
    outcome_features = config.evaluation.outcome_features
    return build_feature_sets(
        names,
        initial=measured.initial,
        initial_names=measured.input_names,
        trajectories=measured.time_courses.trajectories,
        form_names=forms,
        selected_forms=select_forms(forms, config.outcome_forms, outcome_features=outcome_features),
        initial_clean=measured.initial_clean,
    )


def stored_tables(
    tables: Mapping[str, pl.DataFrame], config: DegradationConfig
) -> Mapping[str, pl.DataFrame]:
    """Return the tables that the config stores; of dropped samples the rows in any case."""
    if config.store == "nothing":
        failed = tables["samples"].filter(pl.col("failure").is_not_null())
        return {} if failed.is_empty() else {"samples": failed}
    wanted = {"all": ("samples", "trajectories"), "samples": ("samples",)}[config.store]
    return {name: frame for name, frame in tables.items() if name in wanted}


def _require_enough(config: DegradationConfig, dropped: Mapping[int, str]) -> None:
    """Raise unless the patients that are left can be split."""
    n_samples = config.cohort.n_samples
    try:
        config.evaluation.check_splits(n_samples - len(dropped))
    except ConfigError as error:
        sample, reason = next(iter(dropped.items()))
        raise ExperimentError(
            f"{len(dropped)} of {n_samples} patients cannot be simulated, and the rest is too few to be split: patient "
            f"{sample} {reason}. Raise cohort.n_samples, or change the model or the simulation."
        ) from error


def _require(what: str, value: float | str, known: Sequence[float] | Sequence[str]) -> None:
    if value not in known:
        raise UnknownNameError(
            f"There is no {what} {value} in this assembly. There are: {', '.join(str(each) for each in known)}."
        )
