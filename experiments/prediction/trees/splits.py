"""The best split of a node, as scikit-learn finds it.

scikit-learn tries the features in the order of its own random numbers, sums the target in the order of each feature, and
keeps the first of equal gains. All gains that can decide are computed here in that order and with that rounding. Three
details save time and change nothing:

- Most candidates gain far less than the best one, which a product with a reciprocal shows; only the others are divided.
- Values of a feature that all differ by more than `CLOSEST` need no look at the values themselves.
- Equal values are in an order that depends on all features tried before. They are sorted as scikit-learn does only where
  a bound of rounding errors (Higham 2002, section 4.2) leaves open whether the feature may win, and for the last feature,
  whose order the samples keep.
"""

from __future__ import annotations

import numpy as np

from ...compilation.compiling import compiled
from .sorting import sort_together

LEAF = -1
CLOSEST = np.float32(1e-7)
"""Values of a feature that differ by no more are not separated."""

EPSILON = np.finfo(np.float64).eps

UNCERTAINTY = 4e-15
"""More than the relative error of a gain that is computed with reciprocals."""

TINIEST = 1e-300
"""More than the absolute error where numbers lose digits for being too small."""


@compiled
def best_split(
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
):
    """Find the best split of a node, and return its threshold.

    ``split`` becomes its feature, the first position of the right child (``end`` where nothing can be split) and the
    number of features that are constant in the node. ``samples[start:end]`` are left in the order of the feature that was
    tried last, as scikit-learn leaves them.
    """
    best, threshold = -np.inf, 0.0
    n_features, n_known = len(features), split[2]
    n_untried, n_drawn, n_found = n_features, 0, 0
    error = largest_error(samples, weighted, start, end)
    last, n_after = n_features, 0  # see `put_in_order`
    while n_untried > n_known + n_found:
        place, n_drawn = draw(features, random, n_untried, n_known, n_drawn, n_found)
        tried = features[place]
        found = end
        if is_distinct[tried]:
            last, n_after = tried, 0
            gain, found = scan(divided, tried, start, end, weighted, counts, reciprocals, total, weight, best)
        else:
            low = columns[tried, divided[tried, start]]
            high = columns[tried, divided[tried, end - 1]]
            if low < high:
                has_ties, may_win = screen(
                    columns,
                    divided,
                    tried,
                    start,
                    end,
                    weighted,
                    counts,
                    reciprocals,
                    total,
                    weight,
                    best - error,
                )
                if has_ties:
                    after[n_after] = tried
                    n_after += 1
                else:
                    last, n_after = tried, 0
                if may_win:
                    put_in_order(columns, divided, samples, values, last, after, n_after, start, end)
                    last, n_after = n_features, 0
                    gain, found = scan_close(
                        samples, columns, tried, start, end, weighted, counts, total, weight, best
                    )
            if high <= low + CLOSEST:
                features[place], features[n_known + n_found] = features[n_known + n_found], tried
                n_found += 1
                continue
        n_untried -= 1
        features[place], features[n_untried] = features[n_untried], tried
        if found < end:
            best, split[0], split[1] = gain, tried, found
            low, high = columns[tried, divided[tried, found - 1]], columns[tried, divided[tried, found]]
            threshold = low / 2.0 + high / 2.0
    put_in_order(columns, divided, samples, values, last, after, n_after, start, end)
    remember_constants(features, constants, n_known, n_found)
    split[2] = n_known + n_found
    return threshold


@compiled
def best_of_two(rows, samples, weighted, counts, features, constants, random, split, start, total, weight):
    """Do the same as `best_split` for a node of two samples, without the orders of the features."""
    best, threshold = -np.inf, 0.0
    n_known = split[2]
    n_untried, n_drawn, n_found = len(features), 0, 0
    first, second = samples[start], samples[start + 1]
    while n_untried > n_known + n_found:
        place, n_drawn = draw(features, random, n_untried, n_known, n_drawn, n_found)
        tried = features[place]
        low, high = rows[first, tried], rows[second, tried]
        if high < low:
            first, second, low, high = second, first, high, low
        if high <= low + CLOSEST:
            features[place], features[n_known + n_found] = features[n_known + n_found], tried
            n_found += 1
            continue
        n_untried -= 1
        features[place], features[n_untried] = features[n_untried], tried
        left, n_left = weighted[first], counts[first]
        right = total - left
        gain = left * left / n_left + right * right / (weight - n_left)
        if gain > best:
            best, split[0], split[1] = gain, tried, start + 1
            threshold = low / 2.0 + high / 2.0
    samples[start], samples[start + 1] = first, second
    remember_constants(features, constants, n_known, n_found)
    split[2] = n_known + n_found
    return threshold


@compiled
def draw(features, random, n_untried, n_known, n_drawn, n_found):
    """Return the place of the feature to try next, and how many of the known constant features have been drawn by then.

    ``features`` has constant features that were drawn, other known ones, those found in this node, untried features, and
    tried ones, in this order; known constants are drawn, too, and passed over.
    """
    while True:
        place = n_drawn + next_random(random) % (n_untried - n_found - n_drawn)
        if place >= n_known:
            return place + n_found, n_drawn
        features[n_drawn], features[place] = features[place], features[n_drawn]
        n_drawn += 1


@compiled
def remember_constants(features, constants, n_known, n_found):
    """Put known constant features back into their order, and keep the order of those that were found."""
    for each in range(n_known):
        features[each] = constants[each]
    for each in range(n_known, n_known + n_found):
        constants[each] = features[each]


@compiled
def next_random(state):
    """Return the next number below 2**31 of Marsaglia's xorshift (2003) with 32 bits, shifts 13, 17 and 5."""
    number = state[0] if state[0] else 1
    number ^= (number << 13) & 0xFFFFFFFF
    number ^= number >> 17
    number ^= (number << 5) & 0xFFFFFFFF
    state[0] = number
    return number & 0x7FFFFFFF


@compiled
def put_in_order(columns, divided, samples, values, last, after, n_after, start, end):
    """Put the samples of a node into the order in which scikit-learn has them after the features tried so far.

    That is the order of feature ``last`` (as they are, if it is the number of features), sorted by the features in
    ``after``, which leave equal values in an order that depends on the one before.
    """
    if last < len(columns):
        for place in range(start, end):
            samples[place] = divided[last, place]
    for each in range(n_after):
        for place in range(start, end):
            values[place] = columns[after[each], samples[place]]
        sort_together(values, samples, start, end)


@compiled
def largest_error(samples, weighted, start, end):
    """Return more than a gain can change with the order in which samples are added."""
    size = 0.0
    for place in range(start, end):
        size += abs(weighted[samples[place]])
    return 16 * EPSILON * (end - start) * size * size + TINIEST


@compiled
def screen(columns, divided, feature, start, end, weighted, counts, reciprocals, total, weight, bound):
    """Return whether values of a feature are equal in a node, and whether a split can gain ``bound`` or more."""
    has_ties, may_win = False, False
    left, n_left = 0.0, 0
    low = columns[feature, divided[feature, start]]
    for place in range(start + 1, end):
        sample = divided[feature, place - 1]
        left += weighted[sample]
        n_left += counts[sample]
        high = columns[feature, divided[feature, place]]
        has_ties |= high == low
        right = total - left
        gain = left * left * reciprocals[n_left] + right * right * reciprocals[weight - n_left]
        may_win |= (gain >= bound) & (high > low + CLOSEST)
        low = high
    return has_ties, may_win


@compiled
def scan(divided, feature, start, end, weighted, counts, reciprocals, total, weight, best):
    """Return the best gain above ``best`` and its position, ``end`` where none is, among different values."""
    position, left, n_left = end, 0.0, 0
    bound = best - abs(best) * UNCERTAINTY - TINIEST
    for place in range(start, end - 1):
        sample = divided[feature, place]
        left += weighted[sample]
        n_left += counts[sample]
        right = total - left
        if left * left * reciprocals[n_left] + right * right * reciprocals[weight - n_left] >= bound:
            gain = left * left / n_left + right * right / (weight - n_left)
            if gain > best:
                best, position = gain, place + 1
                bound = best - abs(best) * UNCERTAINTY - TINIEST
    return best, position


@compiled
def scan_close(samples, columns, feature, start, end, weighted, counts, total, weight, best):
    """Return the same as `scan` where some values are equal or close; sums are made from the nearer end, as there."""
    position, summed, left, n_left = end, start, 0.0, 0
    for place in range(start + 1, end):
        if columns[feature, samples[place]] <= columns[feature, samples[place - 1]] + CLOSEST:
            continue
        left, n_left = moved(samples, summed, place, end, weighted, counts, left, n_left, total, weight)
        summed = place
        right = total - left
        gain = left * left / n_left + right * right / (weight - n_left)
        if gain > best:
            best, position = gain, place
    return best, position


@compiled
def moved(samples, summed, place, end, weighted, counts, left, n_left, total, weight):
    """Return the sum and the weight of the samples before a place, from those up to ``summed`` or from the end."""
    if place - summed <= end - place:
        for each in range(summed, place):
            left += weighted[samples[each]]
            n_left += counts[samples[each]]
    else:
        left, n_left = total, weight
        for each in range(end - 1, place - 1, -1):
            left -= weighted[samples[each]]
            n_left -= counts[samples[each]]
    return left, n_left
