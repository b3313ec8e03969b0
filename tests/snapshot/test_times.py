"""Times as arguments: every format, every time zone, and times copied from tables."""

import logging
import re
import time
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from lakebatch._text import RedactingFormatter, to_second
from lakebatch.cli import main
from lakebatch.cli.render import render
from lakebatch.errors import ConfigError
from lakebatch.snapshot.moment import parse
from lakebatch.snapshot.times import describe, to_time

END_OF_DAY = "2026-11-27 23:59:59 UTC"


@pytest.fixture
def zone(monkeypatch):
    """Return a function that moves this process to another time zone."""

    def move(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", ["America/New_York", "Europe/Berlin", "UTC"])
def test_time_shown_in_a_table_leads_to_the_state_of_that_line(zone, stored, run, name):
    run("levels=[0]")
    zone(name)
    shown = [line.split("  ")[1].strip() for line in _lines(stored.history())]
    for number, text in enumerate(shown):
        at = stored.snapshot(as_of=text)
        assert at.events.height > number
        assert at.events["at"].max() - datetime.fromisoformat(text) < timedelta(seconds=1)


SHOWN_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T][\d:.]+ ?(?:Z|UTC|[+-][\d:]+)?")
SHOWS_TIMES = [
    ("history", "toy"),
    ("status",),
    ("tag", "toy"),
    ("sql", "SELECT started_at, changed_at FROM toy.assemblies"),
    ("sql", "SELECT changed_at::VARCHAR AS changed FROM toy.assemblies"),
    ("sql", "SELECT max(recorded_at) AS recorded FROM toy.results"),
]


@pytest.mark.parametrize("form", ["table", "csv", "json", "ndjson", "markdown"])
@pytest.mark.parametrize("name", ["America/New_York", "Asia/Kolkata"])
def test_every_shown_time_can_be_given_back(zone, stored, name, form):
    stored.tag("paper")
    zone(name)
    began = stored.history()["at"][0]
    for command in SHOWS_TIMES:
        done = CliRunner().invoke(main, ["--lake", stored.storage.uri, *command, "--format", form])
        shown = SHOWN_TIME.findall(done.stdout)
        assert shown, done.output
        for text in shown:
            assert began <= to_time(text) < datetime.now(UTC) + timedelta(seconds=1), text


def test_shown_time_includes_the_events_of_its_second(stored, run):
    events = [stored.discard, stored.restore, stored.discard]
    (assembly_id,) = stored.assemblies()["assembly_id"]
    for each in events:
        each(assembly_id, "to see")
    for row in stored.history().rows(named=True):
        for text in (to_second(row["at"]), str(row["at"]), row["at"].isoformat(timespec="milliseconds")):
            assert row["at"] in stored.snapshot(as_of=text).events["at"], text


def test_log_lines_have_times_that_can_be_given_back(zone):
    zone("America/New_York")
    record = logging.LogRecord("lakebatch", logging.INFO, "", 0, "begun", (), None)
    record.created, record.msecs = 1795750000.25, 250.0
    line = RedactingFormatter("%(asctime)s %(message)s").format(record)
    assert line == "2026-11-27 03:26:40.250Z begun"
    assert describe(to_time(line.removesuffix(" begun"))) == "2026-11-27 03:26:40.250999 UTC"


def _lines(frame):
    return ["x  " + row.split("|")[2] for row in render(frame, "markdown").splitlines()[2:]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20261127", END_OF_DAY),
        ("2026-11-27", END_OF_DAY),
        ("2026-W48-5", END_OF_DAY),
        ("2026W485", END_OF_DAY),
        ("2026-331", END_OF_DAY),
        ("2026-11", "2026-11-30 23:59:59 UTC"),
        ("2026-W48", "2026-11-29 23:59:59 UTC"),
        ("2026", "2026-12-31 23:59:59 UTC"),
        ("2028-02", "2028-02-29 23:59:59 UTC"),
        ("2026-11-27T10", "2026-11-27 10:59:59 UTC"),
        (" 2026-11-27 10:12 ", "2026-11-27 10:12:59 UTC"),
        ("20261127t101243z", "2026-11-27 10:12:43 UTC"),
        ("2026-11-27  10:12:43 UTC", "2026-11-27 10:12:43 UTC"),
        ("2026-11-27T10:12:43-05", "2026-11-27 15:12:43 UTC"),
        ("2026-11-27T10:12:43+0530", "2026-11-27 04:42:43 UTC"),
        ("2026-11-27T10:12:43,5+01:00", "2026-11-27 09:12:43.599999 UTC"),
        ("2026-11-27 10:12:43.123Z", "2026-11-27 10:12:43.123999 UTC"),
        ("2026-11-27T10:12:43.123456789Z", "2026-11-27 10:12:43.123456 UTC"),
    ],
)
def test_string_means_the_end_of_its_smallest_unit(zone, text, expected):
    zone("UTC")
    assert describe(to_time(text)) == expected
    assert to_time(expected) == to_time(text)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "202611", "261127", "27.11.2026", "11/27/2026", "2026-1-7", "2026-13", "2026-02-30", "2026-366",
     "2026-W54", "12:00", "1795750000", "2026-11-27 10:12 PM", "2026-11-27T24:00", "2026-11-27T10:12:60Z", "0000",
     "2026-11-27+01:00", "2026-11-27T10+25:00", "\u0662\u0660\u0662\u0666", "20261127_101243"],
)  # fmt: skip
def test_invalid_time_is_refused_with_examples(text):
    with pytest.raises(
        ConfigError, match=r"^'.*' is not a time.*Expected e\.g\. 2026-11-20, '2026-11-20 12:00'"
    ):
        to_time(text)


@pytest.mark.parametrize("name", ["America/New_York", "Asia/Tokyo", "UTC"])
def test_first_and_last_times_are_accepted_in_every_zone(zone, name):
    zone(name)
    for last in (
        "9999-12-31",
        "9999",
        datetime.max,
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
    ):
        assert to_time(last) == datetime.max.replace(tzinfo=UTC)
    assert to_time("0001-01-01") < to_time("0001-01-03") < datetime(2, 1, 1, tzinfo=UTC)
    assert describe(to_time(datetime.min)) == "0001-01-01 00:00:00.000000 UTC"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2026, 11, 27), "2026-11-28 04:59:59 UTC"),
        (datetime(2026, 11, 27, 10), "2026-11-27 15:00:00.000000 UTC"),
        (datetime(2026, 11, 27, 10, tzinfo=UTC), "2026-11-27 10:00:00.000000 UTC"),
        (pd.Timestamp("2026-11-27 10:12:44"), "2026-11-27 15:12:44.000000 UTC"),
        (pd.Timestamp("2026-11-27 10:12:44.123456789", tz="Asia/Tokyo"), "2026-11-27 01:12:44.123456 UTC"),
        (pd.Period("2026-11"), "2026-12-01 04:59:59 UTC"),
        (np.datetime64("2026-11-27"), "2026-11-28 04:59:59 UTC"),
        (np.datetime64("2026-11-27T10:12"), "2026-11-27 15:12:59 UTC"),
        (np.datetime64("2026-11-27T10:12:43.123456789"), "2026-11-27 15:12:43.123456 UTC"),
        (pa.scalar(datetime(2026, 11, 27, 10, tzinfo=UTC)), "2026-11-27 10:00:00.000000 UTC"),
    ],
)
def test_times_of_the_usual_libraries_are_taken(zone, value, expected):
    zone("America/New_York")
    assert describe(to_time(value)) == expected


@pytest.mark.parametrize(
    "value",
    [20261127, 1.5, True, b"2026-11-27", [1], pd.NaT, np.datetime64("NaT", "s"), np.float64(1), np.datetime64(10**6, "Y"),
     np.array(["2026-01-01"], dtype="M8[s]")],
)  # fmt: skip
def test_value_of_another_type_is_refused(value):
    with pytest.raises(ConfigError, match=r"(is not a time but of type|is out of range).*Expected e\.g\."):
        to_time(value)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("Europe/Berlin", "2026-10-25 02:30", r"exists twice .*, as 2026-10-25T00:30Z or 2026-10-25T01:30Z\.$"),
        ("Europe/Berlin", "2026-10-25 02", r"exists twice .*, as 2026-10-25T00:59Z or 2026-10-25T01:59Z\.$"),
        ("Europe/Berlin", "2026-03-29 02:30:15", r"does not exist .*, as 2026-03-29T00:30:15Z or 2026-03-29T01:30:15Z\.$"),
        ("Europe/Berlin", datetime(2026, 10, 25, 2, 30), "exists twice"),
        ("Europe/Berlin", np.datetime64("2026-03-29T02:30"), "does not exist"),
        ("America/New_York", "2026-11-01T01:30", r"as 2026-11-01T05:30Z or 2026-11-01T06:30Z\.$"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", r"as 2026-04-04T14:45Z or 2026-04-04T15:15Z\.$"),
    ],
)  # fmt: skip
def test_ambiguous_or_missing_local_time_is_refused_with_both_readings(zone, name, value, fault):
    zone(name)
    with pytest.raises(ConfigError, match=fault):
        to_time(value)


def test_day_that_ends_while_the_clocks_go_back_ends_once(zone):
    zone("America/Havana")  # at 1:00 on 1 November the clocks go back to 0:00
    assert describe(to_time("2026-10-31")) == "2026-11-01 03:59:59 UTC"
    assert describe(to_time("2026-11-01")) == "2026-11-02 04:59:59 UTC"


@pytest.mark.parametrize(
    "text", ["2026-11", "2026-W48-5", "2026-331", "2026W485", "20261127T10", "2026-11-27"]
)
def test_time_of_any_format_is_recognised_beside_versions_and_tags(text):
    assert parse(text).time == to_time(text)
    assert parse("20261127").version == 20261127
    assert parse(date(2026, 11, 27)).time == to_time("2026-11-27")
    assert parse(datetime(2026, 11, 27, 10, tzinfo=UTC)).time == to_time("2026-11-27 10:00:00Z")
