"""Conversion of times in ISO 8601 text, or of types of common libraries, to instants.

A time means the end of its unit: a day, a second or a millisecond its last microsecond. So a time that was shown to
the second, when given back, includes the events of that second.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, TypeAlias

from lakebatch.errors import ConfigError

Time: TypeAlias = "str | date"
"""The type of a time for type checkers; a datetime is a date."""
EXAMPLES = "Expected e.g. 2026-11-20, '2026-11-20 12:00' (local time), 2026-11-20T12:00:30Z or now."
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
DATE = (
    r"(?P<year>\d{4})(?:-?W(?P<week>\d\d)(?:-?(?P<weekday>[1-7]))?|-?(?P<ordinal>\d{3})"
    r"|-(?P<month>\d\d)(?:-(?P<day>\d\d))?|(?P<basic_month>\d\d)(?P<basic_day>\d\d))?"
)
CLOCK = r"(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
ZONE = r"(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<offset_hours>\d\d)(?::?(?P<offset_minutes>\d\d))?)"
TIME = re.compile(rf"{DATE}(?:(?:T|\s+){CLOCK}(?:\s*{ZONE})?)?", re.ASCII | re.IGNORECASE)


def to_time(value: Any) -> datetime:
    """Return the last instant of a time, in UTC; a time without a zone is local.

    >>> to_time("2026-11-20T12:00:00+00:00").isoformat()
    '2026-11-20T12:00:00.999999+00:00'
    >>> to_time("2026-11-20 12Z").isoformat()
    '2026-11-20T12:59:59.999999+00:00'

    Raises
    ------
    ConfigError
        If it is no time, or a local time that daylight saving skips or repeats.
    """
    if isinstance(value, str):
        return _from_text(value)
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "astype"):
        return _from_numpy(value)
    if hasattr(value, "as_py"):  # a scalar of Arrow
        value = value.as_py()
    value = getattr(value, "end_time", value)  # of a Period of pandas
    if hasattr(value, "to_pydatetime") and value == value:  # a Timestamp of pandas; NaT equals nothing
        value = value.to_pydatetime(warn=False)
    if isinstance(value, datetime) and value == value:
        return _in_utc(value, repr(value), "%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date) and value == value:
        return _from_text(value.isoformat())
    raise ConfigError(f"{value!r} is not a time but of type {type(value).__name__}. {EXAMPLES}")


def is_time(text: str) -> bool:
    """Whether a string has the form of a date or time; digits alone are a number.

    >>> is_time("2026-11"), is_time("2026-W48-5"), is_time("20261120"), is_time("paper-v1")
    (True, True, False, False)
    """
    return not text.isdecimal() and re.match(r"\d{4}(-|W|\d{4}T)", text, re.ASCII) is not None


def describe(time: datetime) -> str:
    """Return a time as `to_time` reads it: to the second if it is the end of one, else exactly.

    >>> describe(to_time("2026-11-20T12:00:00Z"))
    '2026-11-20 12:00:00 UTC'
    """
    exact = "" if time.microsecond == 999_999 else f".{time.microsecond:06d}"
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'seconds')}{exact} UTC"


def _from_text(text: str) -> datetime:
    text = text.strip()
    if text.lower() == "now":
        return datetime.now(UTC)
    found = TIME.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is not a time. {EXAMPLES}")
    try:
        end = _end(found)
        return _in_utc(end, repr(text), _precision(found), late=found["hour"] is None)
    except (ValueError, OverflowError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{text!r} is not a time: {error}. {EXAMPLES}") from error


def _end(found: re.Match[str]) -> datetime:
    """Return the last instant of the unit of a parsed time, with its zone if it has one."""
    day = _last_day(found)
    hour, minute, second = int(found["hour"] or 23), int(found["minute"] or 59), int(found["second"] or 59)
    micro = int((found["fraction"] or "").ljust(6, "9")[:6])
    return datetime(day.year, day.month, day.day, hour, minute, second, micro, tzinfo=_zone(found))


def _last_day(found: re.Match[str]) -> date:
    """Return the day of a parsed time, or the last day of its year, month or week."""
    year = int(found["year"])
    if found["week"]:
        return date.fromisocalendar(year, int(found["week"]), int(found["weekday"] or 7))
    if found["ordinal"]:
        return _day_of_year(year, int(found["ordinal"]))
    month = int(found["month"] or found["basic_month"] or 12)
    day = found["day"] or found["basic_day"]
    if not 1 <= month <= 12:
        raise ValueError("month must be in 1..12")
    return date(year, month, int(day) if day else calendar.monthrange(year, month)[1])


def _day_of_year(year: int, number: int) -> date:
    days = 366 if calendar.isleap(year) else 365
    if not 1 <= number <= days:
        raise ValueError(f"day {number} is not in 1..{days}")
    return date.fromordinal(date(year, 1, 1).toordinal() + number - 1)


def _zone(found: re.Match[str]) -> timezone | None:
    if found["sign"] is None:
        return UTC if found["zone"] else None
    offset = timedelta(hours=int(found["offset_hours"]), minutes=int(found["offset_minutes"] or 0))
    if offset >= timedelta(days=1):
        raise ValueError("an offset from UTC is less than 24 hours")
    return timezone(-offset if found["sign"] == "-" else offset)


def _precision(found: re.Match[str]) -> str:
    """Return the format of a time of the same unit in UTC."""
    if found["second"] is None:
        return "%Y-%m-%dT%H:%MZ"
    return "%Y-%m-%dT%H:%M:%S.%fZ" if found["fraction"] else "%Y-%m-%dT%H:%M:%SZ"


def _from_numpy(value: Any) -> datetime:
    """Return the last instant of the unit of a datetime64, which has no zone."""
    if not str(value.dtype).startswith("datetime64") or value.ndim or value != value:
        raise ConfigError(f"{value!r} is not a time but of type {value.dtype}. {EXAMPLES}")
    start, after = ((value + more).astype("datetime64[us]") for more in (0, 1))
    end = (start if after == start else after - 1).item()
    if not isinstance(end, datetime):
        raise ConfigError(f"{value!r} is out of range. {EXAMPLES}")
    return _in_utc(end, repr(str(value)), "%Y-%m-%dT%H:%M:%S.%fZ")


def _in_utc(time: datetime, shown: str, precision: str, *, late: bool = False) -> datetime:
    """Return a time in UTC; one without a zone is local, and ``late`` selects the second of two readings."""
    try:
        if time.tzinfo is not None:
            return time.astimezone(UTC)
        early, second = (time.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    except (OverflowError, ValueError):  # within a day of the first or the last possible year
        return LAST if time.year > LAST.year // 2 else FIRST
    if early == second or late or time.fold:
        return second
    readings = " or ".join(f"{each:{precision}}" for each in sorted((early, second)))
    is_gap = early.astimezone().replace(tzinfo=None, fold=0) != time
    fault = (
        "does not exist in local time, whose clocks went forward" if is_gap else "exists twice in local time"
    )
    raise ConfigError(f"{shown} {fault}: give it in UTC, as {readings}.")
