"""A reference to a state of a lake: the newest, or by version, time or tag."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from lakebatch.errors import ConfigError
from lakebatch.ids import check_name
from lakebatch.snapshot.times import Time, describe, is_time, to_time


@dataclass(frozen=True)
class Moment:
    """A reference to one state: at most one field is set, none for the newest."""

    version: int | None = None
    time: datetime | None = None
    tag: str | None = None

    @property
    def is_past(self) -> bool:
        """Whether it is not the newest state."""
        return self != NEWEST

    def __str__(self) -> str:
        if self.version is not None:
            return f"version {self.version}"
        if self.time is not None:
            return describe(self.time)
        return f"tag {self.tag}" if self.tag is not None else "now"


NEWEST = Moment()


def moment(version: int | None = None, as_of: Time | None = None, tag: str | None = None) -> Moment:
    """Return the moment of a version, a time or a tag; the newest state without any of them.

    A time is a string, or a date or time of a common library, see `lakebatch.snapshot.times.to_time`.

    Raises
    ------
    ConfigError
        If more than one is given, or one is malformed.
    """
    given = {"version": version, "as_of": as_of, "tag": tag}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ConfigError(f"Several of {', '.join(named)} were given. Expected one of them.")
    if version is not None and (isinstance(version, bool) or not hasattr(version, "__index__")):
        raise ConfigError(
            f"The version {version!r} is not an integer. List the versions with: lakebatch history"
        )
    if tag is not None:
        return Moment(tag=check_name(tag, "tag"))
    if as_of is None or (isinstance(as_of, str) and as_of.strip().lower() == "now"):
        return Moment(version=version)
    return Moment(time=to_time(as_of))


def parse(text: str | int | date) -> Moment:
    """Return the moment of a string (or its value): a version, a time, a tag, or `now`.

    Digits alone are a version; a date has dashes, as in 2026-11-20.

    >>> parse("12"), parse("paper-v1"), parse("now").is_past
    (Moment(version=12, time=None, tag=None), Moment(version=None, time=None, tag='paper-v1'), False)
    """
    text = str(text).strip()
    if text == "now":
        return NEWEST
    if text.isdecimal():
        return Moment(version=int(text))
    return moment(as_of=text) if is_time(text) else moment(tag=text)
