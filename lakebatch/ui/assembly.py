"""The page of one assembly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from lakebatch.analysis.report.configs import RunConfig, run_configs
from lakebatch.assembly import replica_sets, replication
from lakebatch.assembly.record import EVERY_STATUS, Assembly, from_rows
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.lake.lake import Lake
from lakebatch.snapshot.assembly_page import AssemblyPage, page_at
from lakebatch.snapshot.eta import long_duration
from lakebatch.snapshot.mixture import key_texts
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.selection import selection
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.summary import history
from lakebatch.ui import code, commands, logs, pictures
from lakebatch.ui.artifact import IMAGES
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState

NEIGHBOURS = 5
"""Replicates of a set that a page lists before and after its own: each page of a large set would have all others."""
VERDICTS = ("verified: ", "not reproduced: ")
"""The beginnings of notes with which `lakebatch.runner.verify` records what it found."""


@dataclass(frozen=True)
class Branch:
    """A key of a config with its value, or with the keys below it.

    Attributes
    ----------
    preset : str or None
        The value in the preset; None where it is the same.
    """

    key: str
    value: str
    preset: str | None
    below: tuple[Branch, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the value, or one below, is not that of the preset."""
        return self.preset is not None or any(each.differs for each in self.below)


def assembly(lake: Lake, state: PageState, folder: str, assembly_id: str) -> Page:
    """Return the page of an assembly, as it was at the moment of the state."""
    stored = lake[folder]
    everything = stored.at(state.selection.moment)
    found = everything.assembly(assembly_id)
    chosen = selection(state.selection.moment, include=EVERY_STATUS, assembly=found.assembly_id)
    snapshot = everything.select(chosen)
    config = run_configs(snapshot.name, [found], everything.config_numbers)[0]
    about = page_at(everything, stored, found.assembly_id)
    log = logs.page_of(about.log, state)
    return Page(
        "assembly",
        found.name or found.assembly_id,
        {
            "folder": folder,
            "reference": stored.reference,
            "assembly": found,
            "status": everything.state(found),
            "facts": list(facts(everything, about)),
            "config": config,
            "long_duration": long_duration,
            "tree": tree(found.settings, config),
            "parts": about.parts,
            "failures": about.failures,
            "log": log,
            "environment": environment(found),
            "packages": dict(found.surroundings.get("packages", {})),
            "code": code.of_assembly(stored, everything, found),
            "notes": list(notes(snapshot)),
            "events": list(events(snapshot)),
            "gaps": [str(each.what) for each in snapshot.gaps()],
            "artifacts": artifacts(snapshot, found),
            "pictures": list(pictures.figures_of_assembly(stored, state, found.assembly_id))
            if about.rows
            else [],
            "steps": [(f"lakebatch {command}", purpose) for command, purpose in about.next_steps],
            "set": replicate_set(everything, found),
            "others": others(everything, found),
            "config_rows": [(each.key, each.value, each.preset) for each in config.differences],
            "log_pages": logs.pages(log),
            "log_command": commands.command("logs", stored.reference, found.assembly_id),
            "at_time": lambda time: state.at(Moment(time=time)),
        },
        command=commands.assembly(stored, state, found),
        python=commands.assembly_in_python(stored, state, found),
    )


def facts(snapshot: Snapshot, about: AssemblyPage) -> Iterator[tuple[str, str]]:
    """Yield the key facts of an assembly, each a name and a text."""
    found = about.assembly
    yield "Parts", f"{about.counts.get('completed', 0)} of {len(about.parts)}"
    yield "Rows", f"{about.rows:,}"
    yield "Id", found.assembly_id
    yield "Experiment", about.experiment
    yield "User", about.user or "not recorded"
    yield "Started", moment_text(about.started_at)
    yield "Last change", moment_text(found.at)
    yield "Duration", long_duration(about.seconds)
    if about.computing_seconds is not None:
        yield "Computing, all parts", long_duration(about.computing_seconds)
    yield "Seed", str(found.seed)
    yield "Config", f"{snapshot.config_numbers[found.config_hash]} ({found.config_hash[:12]})"
    yield "Machine", found.host
    if found.started_from:
        yield "Config of", found.started_from
    if (missing := found.missing_metrics) and missing.rows:
        yield "Without metric", str(missing)
    if found.dropped_samples:
        yield "Dropped samples", str(found.dropped_samples)
    if about.place:
        yield "Place", about.place


def moment_text(at: datetime) -> str:
    """Return a time to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def tree(settings: dict[str, Any], config: RunConfig, prefix: str = "") -> tuple[Branch, ...]:
    """Return a config as a tree, with what the preset has where it differs."""
    presets = {each.key: each.preset for each in config.differences}
    return tuple(_branch(key, value, config, presets, prefix) for key, value in settings.items())


def _branch(key: str, value: Any, config: RunConfig, presets: dict[str, str], prefix: str) -> Branch:
    path = f"{prefix}{key}"
    if isinstance(value, dict) and value:
        return Branch(key, "", None, tree(value, config, f"{path}."))
    return Branch(key, key_texts({key: value})[key], presets.get(path))


def environment(found: Assembly) -> list[tuple[str, str]]:
    """Return what computed an assembly, without its packages: names and texts."""
    known = {key: value for key, value in found.software.items() if key != "packages"}
    named = {SOURCE_HASH: "source"}
    return [(named.get(key, key), text) for key, text in key_texts(known).items()]


def notes(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """Yield the notes about an assembly, oldest first: time, user, text, and whether it is a verdict of ``verify``."""
    noted = history(snapshot.events).drop_nulls("note")
    for row in noted.iter_rows(named=True):
        yield row | {
            "is_verdict": row["note"].startswith(VERDICTS),
            "is_good": row["note"].startswith(VERDICTS[0]),
        }


def events(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """Yield the events of an assembly, oldest first."""
    yield from history(snapshot.events).iter_rows(named=True)


def artifacts(snapshot: Snapshot, found: Assembly) -> list[dict[str, Any]]:
    """Return the artifacts of an assembly, without contents, and whether each is a picture that is shown."""
    if found.assembly_id in snapshot.tables.purges:
        return []
    rows = snapshot.artifacts(found.assembly_id, on_gap="ignore")
    done = rows.filter(pl.col("part").is_in(snapshot.parts_done(found)))
    return [row | {"is_image": row["media_type"] in IMAGES} for row in done.iter_rows(named=True)]


def replicate_set(snapshot: Snapshot, found: Assembly) -> dict[str, Any] | None:
    """Return the neighbours of an assembly in its set of replicates, and how far the set is; None outside of a set."""
    if found.replicate is None:
        return None
    members = replica_sets.members(of_sets(snapshot), found.replicate.set)
    place = [each.assembly_id for each in members].index(found.assembly_id)
    first = max(0, min(place - NEIGHBOURS, len(members) - 2 * NEIGHBOURS - 1))
    shown = members[first : first + 2 * NEIGHBOURS + 1]
    return {"members": shown, "left_out": len(members) - len(shown), "text": replica_sets.describe(members)}


def of_sets(snapshot: Snapshot) -> list[Assembly]:
    """Return the assemblies that are in sets of replicates."""
    having = pl.col("environment").str.contains(f'"{replication.KEY}":', literal=True)
    return from_rows(snapshot.last_events.filter(having), snapshot.leases)


def others(snapshot: Snapshot, found: Assembly, count: int = 12) -> list[Assembly]:
    """Return the assemblies nearest to one by run number, to compare it with."""
    known = snapshot.last_events.filter(pl.col("assembly_id") != found.assembly_id)
    nearest = known.sort((pl.col("run_number") - found.run_number).abs()).head(count)
    return from_rows(nearest.sort("run_number"), snapshot.leases)
