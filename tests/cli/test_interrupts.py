"""Ctrl-C and SIGTERM in the process of a run, where Python drops the exception of a signal handler."""

from __future__ import annotations

import signal
import sys
import weakref

import pytest

from lakebatch.cli.run_session import handled_interrupts


class _Owner:
    """An object with a weak reference, whose callback receives a signal."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_that_is_lost_in_a_callback_is_raised_before_the_next_part(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # that of a command sends the signal again
    with handled_interrupts() as handler:
        assert not handler.wants_to_stop()
        owner = _Owner()
        reference = weakref.ref(owner, lambda _: signal.raise_signal(number))
        del owner
        assert reference() is None
        with pytest.raises(KeyboardInterrupt):
            handler.wants_to_stop()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
