"""The order in which scikit-learn leaves equal values when it sorts a feature within a node.

Sums over samples are rounded in the order of the samples, so that equal trees need equal orders. Among different values
there is one order. Among equal ones it is that of the algorithm: introsort (Musser 1997) with the median of three as
pivot and a partition into less, equal and greater.
"""

from __future__ import annotations

import math

from ...compilation.compiling import compiled

SMALL = 15
"""Up to this many values are sorted by insertion."""


@compiled
def sort_together(values, samples, first, end):
    """Sort ``values[first:end]`` in place, with ``samples`` in the same order."""
    if end - first < 2:
        return
    _sort(values, samples, first, end, 2 * int(math.log2(end - first)))


@compiled
def _sort(values, samples, first, end, depth):
    while end - first > SMALL:
        if depth <= 0:
            _heap_sort(values, samples, first, end)
            return
        depth -= 1
        pivot = _median(values[first], values[first + (end - first) // 2], values[end - 1])
        at, less, greater = first, first, end
        while at < greater:
            if values[at] < pivot:
                _swap(values, samples, at, less)
                at += 1
                less += 1
            elif values[at] > pivot:
                greater -= 1
                _swap(values, samples, at, greater)
            else:
                at += 1
        _sort(values, samples, first, less, depth)
        first = greater
    _insertion_sort(values, samples, first, end)


@compiled
def _median(one, two, three):
    if one < two:
        if two < three:
            return two
        return three if one < three else one
    if two < three:
        return one if one < three else three
    return two


@compiled
def _insertion_sort(values, samples, first, end):
    for at in range(first + 1, end):
        value, sample = values[at], samples[at]
        to = at
        while to > first and values[to - 1] > value:
            values[to], samples[to] = values[to - 1], samples[to - 1]
            to -= 1
        values[to], samples[to] = value, sample


@compiled
def _heap_sort(values, samples, first, end):
    count = end - first
    for root in range((count - 2) // 2, -1, -1):
        _sift_down(values, samples, first, root, count)
    for last in range(count - 1, 0, -1):
        _swap(values, samples, first, first + last)
        _sift_down(values, samples, first, 0, last)


@compiled
def _sift_down(values, samples, first, root, count):
    while True:
        largest, child = root, 2 * root + 1
        if child < count and values[first + largest] < values[first + child]:
            largest = child
        if child + 1 < count and values[first + largest] < values[first + child + 1]:
            largest = child + 1
        if largest == root:
            return
        _swap(values, samples, first + root, first + largest)
        root = largest


@compiled
def _swap(values, samples, one, other):
    values[one], values[other] = values[other], values[one]
    samples[one], samples[other] = samples[other], samples[one]
