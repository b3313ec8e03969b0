"""Changes of a lake as a stream of events for browsers; one poller for all of them, and none while nobody listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from lakebatch.errors import LakebatchError

EVERY = 1.5
"""Seconds between two looks at the lake."""
HEARTBEAT = 15.0
"""Seconds of silence after which a line is sent, so that a lost connection is noticed."""
RETRY = 2_000
"""Milliseconds after which a browser connects again."""
Look = Callable[[], tuple[str, list[Any]]]
"""Returns a stamp of the state of the lake, and the rows that have changed since the last call."""


class Changes:
    """The listeners of one server, and the task that looks at the lake for them."""

    def __init__(self, look: Look, every: float = EVERY) -> None:
        self._look = look
        self._every = every
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    @property
    def is_polling(self) -> bool:
        """Whether the lake is looked at now."""
        return self._poller is not None and not self._poller.done()

    async def listen(self) -> AsyncIterator[str]:
        """Yield what is new now, then every change, as server-sent events, until `close`."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._listeners.add(queue)
        try:
            yield f"retry: {RETRY}\n\n"
            yield await self._greeting()
            if not self.is_polling:
                self._poller = asyncio.create_task(self._poll())
            while not self._is_closed:
                if (message := await self._next(queue)) is None:
                    return
                yield message
        finally:
            self._listeners.discard(queue)
            if not self._listeners and self._poller is not None:
                self._poller.cancel()

    async def _greeting(self) -> str:
        """Return the first event for a listener, which compares its stamp with that of its page."""
        try:
            stamp, rows = await asyncio.to_thread(self._look)
        except LakebatchError as error:
            return event({"problem": str(error)})
        if rows:
            self._send(event({"stamp": stamp, "rows": rows}))
        return event({"stamp": stamp, "rows": [], "first": True})

    async def _next(self, queue: asyncio.Queue[str | None]) -> str | None:
        """Return the next change; a comment after a silence."""
        try:
            return await asyncio.wait_for(queue.get(), HEARTBEAT)
        except TimeoutError:
            return ": nothing new\n\n"

    async def _poll(self) -> None:
        said = ""
        while self._listeners:
            try:
                stamp, rows = await asyncio.to_thread(self._look)
                message = event({"stamp": stamp, "rows": rows}) if rows or said else ""
                said = ""
            except LakebatchError as error:
                message = event({"problem": str(error)}) if str(error) != said else ""
                said = str(error)
            if message:
                self._send(message)
            await asyncio.sleep(self._every)

    def _send(self, message: str | None) -> None:
        for each in self._listeners:
            each.put_nowait(message)

    def close(self) -> None:
        """End every stream; safe to call from a signal handler and from another thread."""
        self._is_closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._send, None)


def event(value: Any) -> str:
    """Return a value as one server-sent event.

    >>> event({"rows": []})
    'data: {"rows":[]}\\n\\n'
    """
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n"
