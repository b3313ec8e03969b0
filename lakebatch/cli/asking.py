"""Asks the engine for SQL, at a prompt or once, so that the process can end although the engine does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from lakebatch.cli.exit_codes import ERROR, INTERRUPTED
from lakebatch.cli.terminal import say
from lakebatch.errors import LimitError

if TYPE_CHECKING:
    from lakebatch.lake.arguments import QueryArguments
    from lakebatch.lake.snapshot import LakeSnapshot

Answer = TypeVar("Answer")


def answered(ask: Callable[[], Answer]) -> Answer:
    """Return an answer; end the process where one was not waited for and the engine is still at work on it."""
    try:
        return ask()
    except KeyboardInterrupt:
        _leave_if_busy("Interrupted.", INTERRUPTED)
        raise
    except LimitError as error:
        _leave_if_busy(f"Error: {error}", ERROR)
        raise


def prompt(pin: Callable[[], LakeSnapshot], form: Any, options: QueryArguments) -> None:
    """Answer one query after the other at a prompt."""
    from lakebatch.cli.prompt import Prompt
    from lakebatch.sql import supervision
    from lakebatch.sql.options import QueryOptions
    from lakebatch.sql.session import Session

    asking = Prompt(lambda: Session(pin(), QueryOptions(**options)), form)
    try:
        asking.loop()
    finally:
        asking.close()
    if supervision.is_busy():
        supervision.leave(0)


def _leave_if_busy(message: str, code: int) -> None:
    from lakebatch.sql import supervision

    if supervision.is_busy():
        say(message)
        supervision.leave(code)
