"""One regression tree, the same as scikit-learn grows.

scikit-learn sorts each feature anew in each node. Here all features are sorted once for an ensemble, and their orders
are divided with the nodes, which costs one pass over them.

Source: Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984); the order of features, the
treatment of close values and the tolerance of impurities are those of scikit-learn 1.9.
"""

from __future__ import annotations

import numpy as np

from ...compilation.compiling import compiled
from .splits import EPSILON, LEAF, best_of_two, best_split, moved

NODE = np.dtype(
    [
        ("left", np.int32),
        ("right", np.int32),
        ("feature", np.int32),
        ("samples", np.int32),
        ("threshold", np.float64),
        ("value", np.float64),
        ("impurity", np.float64),
        ("weight", np.float64),
    ]
)
"""A node: its children (-1 in a leaf), the feature and threshold of its split (samples up to it go left), the number and
the weight of its samples, the mean of their target, and its variance."""

TOLERANCE = EPSILON
"""Variances up to this are 0, and so are gains below 0 by less."""

START, END, DEPTH, PARENT, IS_LEFT, CONSTANTS = range(6)


@compiled
def grow(columns, rows, orders, is_distinct, target, counts, reciprocals, seed, max_depth, nodes, leaf_of):
    """Grow a tree into ``nodes`` and return the number of its nodes.

    Parameters
    ----------
    columns, rows : float32 array, shape (n_features, n_samples) and (n_samples, n_features)
        The features, without NaN.
    orders : unsigned integer array, shape (n_features, n_samples)
        The samples in the order of each feature.
    is_distinct : bool array, shape (n_features,)
        Whether all values of a feature differ by more than `CLOSEST`.
    target : float64 array, shape (n_samples,)
    counts : int64 array, shape (n_samples,)
        How often each sample is drawn; samples with 0 are left out.
    reciprocals : float64 array, shape (sum of counts + 1,)
        The reciprocal of each index.
    seed : int, 0 <= seed < 2**31 - 1
        State of the random numbers that the order of the features comes from.
    max_depth : int
    nodes : array of `NODE`, at least 2 * n_samples - 1 long
    leaf_of : int64 array, shape (n_samples,)
        Set to the leaf of each sample.
    """
    n_features, n_samples = columns.shape
    size, total_weight = 0, 0
    samples, weighted = np.empty(n_samples, orders.dtype), np.empty(n_samples)
    for sample in range(n_samples):
        weighted[sample] = counts[sample] * target[sample]
        total_weight += counts[sample]
        samples[size] = sample
        size += counts[sample] > 0
    divided = np.empty((n_features, size + 1), orders.dtype)
    for feature in range(n_features):
        keep_drawn(orders, divided, feature, counts)
    features, constants = np.arange(n_features), np.empty(n_features, np.int64)
    after = np.empty(n_features, np.int64)
    values, spare = np.empty(size, np.float32), np.empty(size, orders.dtype)
    goes_left = np.zeros(n_samples, np.uint8)
    random, split = np.empty(1, np.int64), np.empty(3, np.int64)
    random[0] = seed
    pending, impurities = np.empty((size + 1, 6), np.int64), np.empty(size + 1)
    pending[0, START], pending[0, END], pending[0, DEPTH] = 0, size, 0
    pending[0, PARENT], pending[0, IS_LEFT], pending[0, CONSTANTS] = -1, 0, 0
    n_pending, n_nodes = 1, 0
    while n_pending:
        n_pending -= 1
        start, end, depth = pending[n_pending, START], pending[n_pending, END], pending[n_pending, DEPTH]
        parent, is_left = pending[n_pending, PARENT], pending[n_pending, IS_LEFT]
        n_constants = pending[n_pending, CONSTANTS]
        impurity = impurities[n_pending]
        total, squares, weight = sums(samples, start, end, weighted, target, counts)
        if n_nodes == 0:
            impurity = squares / weight - (total / weight) * (total / weight)
        is_leaf = depth >= max_depth or end - start < 2 or impurity <= TOLERANCE
        threshold, left, right = 0.0, 0.0, 0.0
        if not is_leaf:
            split[0], split[1], split[2] = LEAF, end, n_constants
            if end - start == 2:
                threshold = best_of_two(
                    rows, samples, weighted, counts, features, constants, random, split, start, total, weight
                )
            else:
                threshold = best_split(
                    columns,
                    divided,
                    is_distinct,
                    samples,
                    values,
                    after,
                    weighted,
                    counts,
                    reciprocals,
                    features,
                    constants,
                    random,
                    split,
                    start,
                    end,
                    total,
                    weight,
                )
            is_leaf = split[1] >= end
        if not is_leaf:
            divide_samples(samples, start, end, rows, split[0], threshold, goes_left)
            left, right, gain = children(
                samples,
                start,
                split[1],
                end,
                weighted,
                target,
                counts,
                impurity,
                total,
                squares,
                weight,
                total_weight,
            )
            is_leaf = gain + TOLERANCE < 0
        node = nodes[n_nodes]
        node.left, node.right, node.feature, node.threshold = LEAF, LEAF, LEAF, 0.0
        node.samples, node.weight = end - start, weight
        node.value, node.impurity = total / weight, impurity
        if parent >= 0 and is_left:
            nodes[parent].left = n_nodes
        elif parent >= 0:
            nodes[parent].right = n_nodes
        if is_leaf:
            for place in range(start, end):
                leaf_of[samples[place]] = n_nodes
        else:
            node.feature, node.threshold = split[0], threshold
            position, n_constants = split[1], split[2]
            if depth + 1 < max_depth and (position - start > 2 or end - position > 2):
                for each in range(n_constants, n_features):
                    divide(divided, features[each], start, end, goes_left, spare)
            for is_left in range(2):
                pending[n_pending, START] = start if is_left else position
                pending[n_pending, END] = position if is_left else end
                pending[n_pending, DEPTH], pending[n_pending, PARENT] = depth + 1, n_nodes
                pending[n_pending, IS_LEFT], pending[n_pending, CONSTANTS] = is_left, n_constants
                impurities[n_pending] = left if is_left else right
                n_pending += 1
        n_nodes += 1
    return n_nodes


@compiled
def keep_drawn(orders, divided, feature, counts):
    """Set the order of a feature to that of the drawn samples."""
    size = 0
    for place in range(orders.shape[1]):
        sample = orders[feature, place]
        divided[feature, size] = sample
        size += counts[sample] > 0


@compiled
def sums(samples, start, end, weighted, target, counts):
    """Return the sum of the target, that of its squares and the weight, each in the order of the samples."""
    total, squares, weight = 0.0, 0.0, 0
    for place in range(start, end):
        sample = samples[place]
        total += weighted[sample]
        squares += weighted[sample] * target[sample]
        weight += counts[sample]
    return total, squares, weight


@compiled
def divide_samples(samples, start, end, rows, feature, threshold, goes_left):
    """Move the samples above a threshold to the right, each in exchange for the last one that was not looked at."""
    while start < end:
        sample = samples[start]
        goes_left[sample] = rows[sample, feature] <= threshold
        if goes_left[sample]:
            start += 1
        else:
            end -= 1
            samples[start], samples[end] = samples[end], sample


@compiled
def divide(divided, feature, start, end, goes_left, spare):
    """Divide the order of a feature between two children, and keep the order within each."""
    n_left, n_right = start, 0
    for place in range(start, end):
        sample = divided[feature, place]
        divided[feature, n_left] = sample
        spare[n_right] = sample
        n_left += goes_left[sample]
        n_right += 1 - goes_left[sample]
    for place in range(n_right):
        divided[feature, n_left + place] = spare[place]


@compiled
def children(
    samples, start, position, end, weighted, target, counts, impurity, total, squares, weight, total_weight
):
    """Return the variance in the left and in the right child, and what the split gains."""
    left, n_left = moved(samples, start, position, end, weighted, counts, 0.0, 0, total, weight)
    right, n_right = total - left, weight - n_left
    squares_left = 0.0
    for place in range(start, position):
        sample = samples[place]
        squares_left += weighted[sample] * target[sample]
    of_left = squares_left / n_left - (left / n_left) * (left / n_left)
    of_right = (squares - squares_left) / n_right - (right / n_right) * (right / n_right)
    gain = (weight / total_weight) * (impurity - n_right / weight * of_right - n_left / weight * of_left)
    return of_left, of_right, gain


@compiled
def predict(nodes, rows, scale, total):
    """Add the scaled prediction of a tree for each row of features to ``total``."""
    for row in range(len(rows)):
        at = 0
        while nodes[at].left != LEAF:
            is_left = rows[row, nodes[at].feature] <= nodes[at].threshold
            at = nodes[at].left if is_left else nodes[at].right
        total[row] += scale * nodes[at].value
