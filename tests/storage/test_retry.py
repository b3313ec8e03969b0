"""Retries of failed calls, as long as the error can pass."""

import pytest

from lakebatch.errors import StorageError
from lakebatch.storage.retry import RetryPolicy

QUICK = RetryPolicy(attempts=3, first_backoff=0.001)


def failing(times, error):
    calls = []

    def call():
        calls.append(error)
        if len(calls) <= times:
            raise error
        return len(calls)

    return calls, call


def may_pass(error):
    return "later" in str(error)


def test_call_is_repeated_until_it_answers():
    _, call = failing(2, OSError("try later"))
    assert QUICK.call(call, (OSError,), may_pass) == 3


@pytest.mark.parametrize(
    ("policy", "error", "expected"),
    [
        (QUICK, OSError("try later"), 3),
        (RetryPolicy(timeout=-1.0), OSError("try later"), 1),
        (QUICK, OSError("never"), 1),
        (QUICK, StorageError("explained; try later"), 1),
        (QUICK, ValueError("try later"), 1),
    ],
    ids=["attempts", "timeout", "final", "explained", "other"],
)
def test_error_is_raised_after_the_last_call(policy, error, expected):
    calls, call = failing(100, error)
    with pytest.raises(type(error)) as failure:
        policy.call(call, (OSError,), may_pass)
    assert failure.value is error
    assert len(calls) == expected


def test_pauses_grow_up_to_their_limit(monkeypatch):
    longest = []
    monkeypatch.setattr("lakebatch.storage.retry.random.uniform", lambda low, high: longest.append(high) or 0)
    for attempt in (1, 2, 3, 8, 2000):
        RetryPolicy(first_backoff=0.5, max_backoff=5.0).pause(attempt)
    assert longest == [0.5, 1.0, 2.0, 5.0, 5.0]
