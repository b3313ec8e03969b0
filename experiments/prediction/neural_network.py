"""scikit-learn's neural network, trained by the same arithmetic in fewer calls.

On cohorts of hundreds of patients scikit-learn spends most of a training on checks and small allocations around each
batch. Here the same operations are done on the same numbers in the same order, so that weights, losses and
predictions are the same to the last bit; all weights lie side by side in one array, so that Adam takes eight calls
instead of some forty.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

FloatArray = NDArray[np.float64]


class QuickMLPRegressor(MLPRegressor):
    """`sklearn.neural_network.MLPRegressor`, quicker where it has one hidden layer and its default solver.

    With any other setting it is trained by scikit-learn itself.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor
    >>> rng = np.random.default_rng(1)
    >>> features, target = rng.normal(size=(30, 3)), rng.normal(size=30)
    >>> models = [kind(max_iter=4000, random_state=1) for kind in (QuickMLPRegressor, MLPRegressor)]
    >>> predictions = [model.fit(features, target).predict(features) for model in models]
    >>> bool((predictions[0] == predictions[1]).all())
    True
    """

    def _fit_stochastic(self, X: Any, y: Any, *rest: Any) -> None:
        """Train; scikit-learn calls this once it has checked the data and drawn the first weights."""
        *_, incremental = rest
        has_weights = len(rest) == 7 and rest[0] is not None  # releases before 1.7 know none
        if incremental or has_weights or not self._is_usual(X, y):
            super()._fit_stochastic(X, y, *rest)
            return
        weights = _Weights(self)
        batch_size = min(200, len(X)) if self.batch_size == "auto" else self.batch_size
        order = np.arange(len(X))
        self.n_iter_ = 0
        while self.n_iter_ < self.max_iter:
            order = order[_shuffled(len(X), self._random_state)]
            loss = sum(
                weights.descend(X[batch], y[batch]) * len(batch) for batch in _batches(order, batch_size)
            )
            self.n_iter_ += 1
            self.t_ += len(X)
            self.loss_ = loss / len(X)
            self.loss_curve_.append(self.loss_)
            self._update_no_improvement_count(False, None, None, *rest[: len(rest) - 6])
            if self._no_improvement_count > self.n_iter_no_change:
                break
        else:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coefs_, self.intercepts_ = weights.copies()

    def _is_usual(self, X: Any, y: Any) -> bool:
        """Whether the settings and the data are those that are trained here."""
        return (
            self.solver == "adam"
            and self.activation == "relu"
            and self.out_activation_ == "identity"
            and getattr(self, "loss", "squared_error") == "squared_error"
            and self.shuffle
            and not self.early_stopping
            and not self.verbose
            and (self.n_layers_, self.n_outputs_) == (3, 1)
            and (self.batch_size == "auto" or 1 <= self.batch_size <= len(X))
            and all(isinstance(each, np.ndarray) and each.dtype == np.float64 for each in (X, y))
        )


class _Weights:
    """The weights of a network with one hidden layer, their gradients and what Adam (Kingma & Ba 2014) knows of them."""

    def __init__(self, model: QuickMLPRegressor) -> None:
        arrays = [*model.coefs_, *model.intercepts_]
        self.model = model
        self.values = np.concatenate([array.ravel() for array in arrays])
        self.gradients = np.empty_like(self.values)
        self.first_moments, self.second_moments = np.zeros_like(self.values), np.zeros_like(self.values)
        self.n_coefs = sum(array.size for array in model.coefs_)
        self.hidden, self.output, self.hidden_bias, self.output_bias = _views(self.values, arrays)
        self.gradient_views = _views(self.gradients, arrays)
        self.steps = 0

    def descend(self, features: FloatArray, target: FloatArray) -> float:
        """Move the weights by one batch, and return the loss before that."""
        hidden = features @ self.hidden
        hidden += self.hidden_bias
        np.maximum(hidden, 0, out=hidden)
        error = hidden @ self.output
        error += self.output_bias
        loss = 0.5 * (np.add.reduce((target - error) ** 2, axis=0) / len(target)).item(0)
        squares = np.dot(self.hidden.ravel(), self.hidden.ravel()) + np.dot(
            self.output.ravel(), self.output.ravel()
        )
        loss += (0.5 * self.model.alpha) * squares / len(target)
        error -= target
        self._differentiate(features, hidden, error)
        self._step()
        return float(loss)

    def _differentiate(self, features: FloatArray, hidden: FloatArray, error: FloatArray) -> None:
        """Set the gradients of the loss."""
        into_hidden, into_output, into_hidden_bias, into_output_bias = self.gradient_views
        np.matmul(hidden.T, error, out=into_output)
        np.add.reduce(error, axis=0, out=into_output_bias)
        hidden_error = error @ self.output.T
        hidden_error[hidden == 0] = 0
        np.matmul(features.T, hidden_error, out=into_hidden)
        np.add.reduce(hidden_error, axis=0, out=into_hidden_bias)
        self.gradients[: self.n_coefs] += self.model.alpha * self.values[: self.n_coefs]
        self.gradients /= len(features)

    def _step(self) -> None:
        """Move the weights against the gradients."""
        model, self.steps = self.model, self.steps + 1
        self.first_moments *= model.beta_1
        self.first_moments += (1 - model.beta_1) * self.gradients
        self.second_moments *= model.beta_2
        self.second_moments += (1 - model.beta_2) * self.gradients**2
        rate = (
            model.learning_rate_init
            * math.sqrt(1 - model.beta_2**self.steps)
            / (1 - model.beta_1**self.steps)
        )
        self.values += -rate * self.first_moments / (np.sqrt(self.second_moments) + model.epsilon)

    def copies(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return weights between layers and biases, each an array of its own."""
        between = [self.hidden.copy(), self.output.copy()]
        return between, [self.hidden_bias.copy(), self.output_bias.copy()]


def _views(flat: FloatArray, like: list[FloatArray]) -> list[FloatArray]:
    """Return the parts of a flat array in the shapes of some arrays."""
    ends = np.cumsum([array.size for array in like])
    return [flat[end - array.size : end].reshape(array.shape) for end, array in zip(ends, like, strict=True)]


def _shuffled(count: int, random_state: Any) -> NDArray[np.intp]:
    """Return indices in the order that `sklearn.utils.shuffle` would give."""
    indices = np.arange(count)
    random_state.shuffle(indices)
    return indices


def _batches(order: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    return (order[first : first + size] for first in range(0, len(order), size))
