"""Surroundings of fits as a run has them."""

from collections.abc import Iterator

import pytest

from lakebatch.experiment.guest import thread_variables


@pytest.fixture(autouse=True, scope="module")
def _variables_set_once() -> Iterator[None]:
    """Set the variables for one thread around all fits, as a run does, and not around each.

    A thread of the storage engine that an earlier test left can read the environment meanwhile, which ends the process.
    """
    with thread_variables():
        yield
