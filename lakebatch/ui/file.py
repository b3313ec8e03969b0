"""Files that pages link to: pictures, artifacts, tables and reports, made when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

Value = TypeVar("Value")

SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Content security policy of a picture that is opened by itself: its styles, and no script."""
NOTHING = "default-src 'none'; sandbox"
"""Content security policy of every other file."""


@dataclass(frozen=True)
class File:
    """The content of a file.

    Attributes
    ----------
    download : str
        The name under which a browser saves it; empty for a file that a browser shows.
    policy : str
        Its content security policy.
    """

    content: bytes
    media_type: str
    download: str = ""
    policy: str = NOTHING

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an answer with the file."""
        found = {"Content-Security-Policy": self.policy}
        if self.download:
            found["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(self.download, safe='')}"
        return found


class Cache(Generic[Value]):
    """The values that were asked for last, up to a number of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """Return the value of a key; None if it is not there."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> Value:
        """Keep and return a value; the one that was not asked for longest goes."""
        self._values[key] = value
        while len(self._values) > self._size:
            self._values.popitem(last=False)
        return value
