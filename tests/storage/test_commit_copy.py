"""Copies in commits: values that cannot be recomputed, exact and compact."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from lakebatch.storage.delta.commit_metadata import COPY, MAX_COPY_BYTES, copied_columns, decode, encode
from lakebatch.storage.delta.log import Log
from lakebatch.storage.delta.schema import load_schema

AT = datetime(2026, 11, 23, 14, 22, 31, 123456, tzinfo=UTC)
TIMES = pl.Datetime("us", "UTC")


def copies(stored, table):
    """Return the copies of a table's commits, oldest first."""
    entries = Log(stored.storage, f"{stored.folder}/{table}").entries
    return [entry.info[COPY] for entry in entries if COPY in entry.info]


@pytest.mark.parametrize("name", ["assemblies", "tags", "results", "frames"])
def test_copy_holds_values_that_cannot_be_recomputed(name):
    schema = load_schema(name)
    expected = {"results": ["fit_seconds", "recorded_at"], "frames": []}.get(name, list(schema.polars))
    assert copied_columns(schema) == expected


def test_every_value_survives_bit_by_bit():
    seconds = np.random.default_rng(1).random(7)
    rows = pl.DataFrame(
        {
            "fit_seconds": [-0.0, 5e-324, *seconds],
            "maybe": [None, 0.1, *seconds],
            "recorded_at": pl.Series([AT] * 9, dtype=TIMES),
            "other_at": pl.Series([AT, None] + [AT] * 7, dtype=TIMES),
            "text": ["a\nb", "é", None, *"abcdef"],
            "names": [["x"], [], None, ["y", None], *[["z"]] * 5],
        }
    )
    again = decode(encode(rows), rows.schema, 9)
    assert again.schema == rows.schema
    assert again.equals(rows)
    assert again["fit_seconds"].to_numpy().tobytes() == rows["fit_seconds"].to_numpy().tobytes()


def test_large_copy_is_left_out_and_damaged_ones_are_refused():
    seconds = pl.DataFrame({"fit_seconds": np.random.default_rng(1).random(20_000)})
    assert encode(seconds) is None
    text = encode(seconds.head(1000))
    assert len(text) < MAX_COPY_BYTES
    for broken, rows in ((text[:-8], 1000), ("!" + text, 1000), (text, 999), ("", 0)):
        with pytest.raises(ValueError, match="it "):
            decode(broken, seconds.schema, rows)
    with pytest.raises(ValueError, match="it is damaged"):
        decode(text, {"other": pl.Float64()}, 1000)


def test_commits_of_parts_events_and_tags_carry_copies(stored):
    stored.tag("paper")
    results, events = stored.results.at().scan().collect(), stored.log.events()
    types = load_schema("results").polars
    times = [decode(each, types, 3)["recorded_at"] for each in copies(stored, "results")]
    assert pl.concat(times).sort().equals(results["recorded_at"].sort())
    whole = [decode(each, events.schema, 1) for each in copies(stored, "assemblies")]
    assert pl.concat(whole).equals(events)
    (tag,) = copies(stored, "tags")
    assert decode(tag, load_schema("tags").polars, 1).equals(stored.tags())


def test_copy_of_a_default_part_is_small(results, frame):
    """250 fits; the times are multiples of a clock tick, like measured ones."""
    ticks = np.random.default_rng(1).integers(10**6, 10**9, 250) * 2.0**-36
    rows = frame(rows=250).with_columns(fit_seconds=pl.Series(ticks))
    assert len(encode(rows.select(copied_columns(results.schema)))) < 1_800
