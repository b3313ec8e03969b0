"""Coverage of the rule that stops replicates, and of the plain rule, by simulation."""

import numpy as np
from scipy import stats

from lakebatch.analysis import precision

N_RUNS, N_MAX = 10_000, 300
NEEDED = (5, 10, 20, 30, 50, 100)
"""Numbers of replicates that would do if the spread were known: each stands for one bound."""
KINDS = ("normal", "uniform", "gamma", "skewed", "lognormal")


def standard(kind, rng, size):
    """Return values with mean 0 and standard deviation 1."""
    return {
        "normal": lambda: rng.standard_normal(size),
        "uniform": lambda: (rng.random(size) - 0.5) * np.sqrt(12),
        "skewed": lambda: rng.exponential(size=size) - 1,
        "gamma": lambda: (rng.gamma(4, size=size) - 4) / 2,
        "lognormal": lambda: (rng.lognormal(size=size) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e),
    }[kind]()


def running(values):
    """Return mean, standard error and skewness after each replicate."""
    n = np.arange(1, values.shape[1] + 1)
    mean, square, cube = (np.cumsum(values**power, axis=1) / n for power in (1, 2, 3))
    variance = np.maximum(square - mean**2, 1e-12)
    skewness = (cube - 3 * mean * square + 2 * mean**3) / variance**1.5
    return n, mean, np.sqrt(variance / np.maximum(n - 1, 1)), skewness


def stop(half, target, first):
    """Return the index of the first replicate with a narrow interval."""
    narrow = half < target
    narrow[:, : first - 1] = False
    narrow[:, -1] = True
    return narrow.argmax(axis=1)


def coverage_of_rule(values, target):
    """Return the coverage of the rule's intervals, and its mean number of replicates."""
    n, mean, error, skewness = running(values)
    half = error * precision.critical_value(np.maximum(n, 2), skewness)
    last = stop(half, target, precision.MIN_REPLICATES)
    runs = np.arange(len(values))
    return (np.abs(mean[runs, last]) <= half[runs, last]).mean(), n[last].mean()


def coverage_of_plain_rule(values, target, first=2):
    """Return the same for plain t intervals that are looked at from the second replicate on."""
    n, mean, error, _ = running(values)
    half = error * stats.t.ppf(0.975, np.maximum(n - 1, 1))
    last = stop(half, target, first)
    runs = np.arange(len(values))
    return (np.abs(mean[runs, last]) <= half[runs, last]).mean(), n[last].mean()


def main():
    """Print the coverage in % and the mean number of replicates, by distribution and bound."""
    for kind in KINDS:
        values = standard(kind, np.random.default_rng(1), (N_RUNS, N_MAX))
        for name, rule in (("plain", coverage_of_plain_rule), ("lakebatch", coverage_of_rule)):
            found = [rule(values, 1.96 / np.sqrt(needed)) for needed in NEEDED]
            print(f"{kind:10}{name:10}", *(f"{100 * covered:.1f} ({count:.0f})" for covered, count in found))  # noqa: T201


if __name__ == "__main__":
    main()
