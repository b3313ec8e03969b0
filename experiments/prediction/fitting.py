"""One fit of a regressor, which other authors have written: its prediction, or the error in its place."""

from __future__ import annotations

import logging
import re
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import RegressorMixin

from lakebatch.errors import ExperimentError
from lakebatch.experiment import contained

from . import scorers
from .metrics import Scores, as_predictions, score
from .models import Model, load_modules
from .pipeline import Split, target_regressor
from .randomness import shared_generators

logger = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

CHANGING = re.compile(r"\[\d\d:\d\d:\d\d\] |\bStack trace:.*|(?<=\b0x)[0-9a-fA-F]{6,}", re.DOTALL)
# what differs from run to run in the messages of compiled code: times, addresses, and stacks of these
MAX_REASON = 2000


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one fit: scores, the seconds that it took if it ended, its warnings, and other scores by name."""

    scores: Scores
    fit_seconds: float | None
    n_warnings: int
    others: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Fit:
    prediction: NDArray[Any] | None = None
    fit_seconds: float | None = None
    error: str | None = None

    def scores(
        self, test_target: FloatArray, names: Sequence[str]
    ) -> tuple[Scores, Mapping[str, float | None]]:
        """Return the scores of the study, and those of other scorers."""
        none = dict.fromkeys(names)
        if self.prediction is None:
            return Scores(error=self.error), none
        try:
            predicted = as_predictions(self.prediction, len(test_target))
        except ExperimentError as error:
            return Scores(error=str(error)), none
        scores = score(test_target, predicted)
        if scores.mse is None or not names:
            return scores, none
        others, reasons = scorers.apply(names, test_target, predicted)
        return replace(scores, error="; ".join(filter(None, (scores.error, reasons))) or None), others


def fit_and_score(
    model: Model, seed: int, split: Split, test_target: FloatArray, names: Sequence[str] = ()
) -> Outcome:
    """Return the scores of a model on a split; lines that it prints and its warnings go to the log.

    It changes nothing that another fit depends on: settings of numpy and scikit-learn, shared random generators and
    whatever `lakebatch.experiment.contained` keeps are put back.

    Parameters
    ----------
    model : Model
    seed : int
        Seed of the model and of the shared random generators.
    split : Split
        Arrays that the model may write to.
    test_target : float array, shape (n_test,), a.u.
        True targets, which the model does not see.
    names : sequence of str
        Scorers of scikit-learn to compute as well.
    """
    load_modules(model)
    with (
        contained() as output,
        shared_generators(seed),
        np.errstate(),
        sklearn.config_context(),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        regressor = target_regressor(model, seed)
        caught.clear()  # the check of the config has shown them
        fit = _fit_and_predict(regressor, split)
        warned = list(caught)
        scores, others = fit.scores(test_target, names)
    _log(model, seed, output.text, warned)
    return Outcome(scores, fit.fit_seconds, len(warned), others)


def _fit_and_predict(regressor: RegressorMixin, split: Split) -> _Fit:
    """Return the prediction of the test split."""
    try:
        started = time.perf_counter()
        regressor.fit(split.train_features, split.train_target)
        fit_seconds = time.perf_counter() - started
        prediction = np.asanyarray(regressor.predict(split.test_features))
    except (MemoryError, KeyboardInterrupt):
        raise  # Not of the model: to be computed again, not to be recorded.
    except BaseException as error:  # noqa: BLE001 - whatever else a regressor raises is this row's result.
        return _Fit(error=reason(error))
    return _Fit(prediction, fit_seconds)


def reason(error: BaseException) -> str:
    """Return an error in one line that is the same in every run.

    >>> reason(ValueError("[12:30:59] at 0x7f21aa0310:  too\\n few"))
    'ValueError: at 0x...: too few'
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the error is of the same author as the regressor.
        text = ""
    text = " ".join(CHANGING.sub(lambda found: "..." if found[0].isalnum() else "", text).split())
    return f"{type(error).__name__}: {text[:MAX_REASON]}"


def _log(model: Model, seed: int, text: str, caught: Sequence[warnings.WarningMessage]) -> None:
    """Log what a fit has printed, and its warnings, each once."""
    if text:
        logger.debug("%s with seed %d printed:\n%s", model.name, seed, text)
    warned = Counter(f"{each.category.__name__}: {each.message}" for each in caught)
    for message, times in warned.items():
        logger.debug("%s with seed %d warned, %d times: %s", model.name, seed, times, message)
