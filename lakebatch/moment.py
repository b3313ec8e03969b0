"""Which state of a lake is meant: the newest, or that at a version, at a time or under a tag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as time_of_day

from lakebatch.errors import ConfigError
from lakebatch.ids import check_name

END_OF_DAY = time_of_day(23, 59, 59, 999_999)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Moment:
    """One state: at most one of its fields is set, none of them for the newest."""

    version: int | None = None
    time: datetime | None = None
    tag: str | None = None

    @property
    def is_past(self) -> bool:
        """Whether anything but the newest state is meant."""
        return self != NEWEST

    def __str__(self) -> str:
        if self.version is not None:
            return f"version {self.version}"
        if self.time is not None:
            return f"{self.time:%Y-%m-%d %H:%M:%S} UTC"
        return f"tag {self.tag}" if self.tag is not None else "now"


NEWEST = Moment()


def moment(version: int | None = None, as_of: str | datetime | None = None, tag: str | None = None) -> Moment:
    """Return the moment that one of three ways to name it gives; the newest state without any.

    Raises
    ------
    ConfigError
        If more than one is given, or one has not the form that it must have.
    """
    given = {"version": version, "as_of": as_of, "tag": tag}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ConfigError(f"Several of {', '.join(named)} were given. Expected one of them.")
    if tag is not None:
        return Moment(tag=check_name(tag, "tag"))
    return Moment(version=version, time=None if as_of is None else to_time(as_of))


def parse(text: str) -> Moment:
    """Return the moment that a text names: a version, a time, a tag, or `now`.

    >>> parse("12"), parse("paper-v1"), parse("now").is_past
    (Moment(version=12, time=None, tag=None), Moment(version=None, time=None, tag='paper-v1'), False)
    """
    text = text.strip()
    if text == "now":
        return NEWEST
    if text.isdecimal():
        return Moment(version=int(text))
    return moment(as_of=text) if DATE.match(text) else moment(tag=text)


def to_time(value: str | datetime) -> datetime:
    """Return a moment from a datetime or ISO 8601 text; local time unless it says otherwise, a date alone is its end.

    >>> to_time("2026-11-20T12:00:00+00:00").isoformat()
    '2026-11-20T12:00:00+00:00'
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        time = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise ConfigError(
            f"{value!r} is not a time. Expected e.g. 2026-11-20, '2026-11-20 12:00' or 2026-11-20T12:00Z."
        ) from error
    if DATE.fullmatch(value.strip()):
        time = datetime.combine(time, END_OF_DAY)
    return time.astimezone(UTC)
