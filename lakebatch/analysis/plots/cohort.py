"""Charts of a simulated cohort: trajectories with onsets, and the network as a diagram."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import polars as pl

from lakebatch.analysis.plots.chart import Arrow, Box, Chart, Line, Panel, Rule, Thread
from lakebatch.analysis.plots.options import Options
from lakebatch.assembly.record import EVERY_STATUS
from lakebatch.assembly.seeds import PREPARATION, stream_generator
from lakebatch.errors import AssemblyError
from lakebatch.experiment.contract import Diagram, Edge, TimeAxis
from lakebatch.snapshot.dataset import recall
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import Snapshot

TRAJECTORIES = "trajectories"
MAX_SINGLE_SAMPLES = 12
"""The maximum number of samples with a line of their own."""

MAX_NAMED_TIMES = 3
"""The maximum number of times of one drug that a caption lists."""

MEDIAN, BAND, SINGLE = "median", "5th to 95th percentile", "single samples"
# in the legend

LAYER_WIDTH, ROW_HEIGHT = 2.2, 1.3
BENT = 0.35
KIND_SLOTS = {"drug": 1, "outcome": 2}


def trajectories(snapshot: Snapshot, options: Options, on_gap: OnGap = "warn") -> Chart:
    """Return the trajectories of one cohort, one panel per species, with the onsets.

    It is that of the newest selected assembly with stored trajectories.
    """
    assembly_id, rows = _find_rows(snapshot, options, on_gap)
    experiment, config = recall(snapshot, assembly_id)
    axis: TimeAxis = experiment.time_axis(config)
    panels = [
        _species_panel(str(species), rows.filter(species=species), axis)
        for species in rows["species"].unique(maintain_order=True)
    ]
    samples = rows["sample"].n_unique()
    at = "clean" if options.level is None else f"level {options.level:g}"
    dropped = snapshot.dropped_samples(EVERY_STATUS, on_gap).get(assembly_id)
    return Chart(
        title=f"Trajectories of the cohort, {at}, {snapshot.shown_name} {assembly_id}",
        caption=f"Median of {samples} samples, band from the 5th to the 95th percentile, and "
        f"{min(MAX_SINGLE_SAMPLES, samples)} single samples."
        + "".join(f" {name} sets in at {_in_words(times)}." for name, times in _onsets(axis)),
        panels=tuple(panels),
        notes=() if dropped is None else (f"{dropped}.",),
    )


def network(snapshot: Snapshot, options: Options, on_gap: OnGap = "warn") -> Chart:
    """Return the network of the newest selected assembly as a diagram."""
    assembly = snapshot.assembly(_newest(snapshot))
    experiment, config = recall(snapshot, assembly.assembly_id)
    diagram: Diagram = experiment.diagram(config, stream_generator(assembly.seed, PREPARATION))
    return Chart(
        title=f"Network of {snapshot.shown_name} {assembly.assembly_id}",
        caption="Blue arrows activate, orange bars inhibit. " + _edges_in_words(diagram),
        panels=(Panel(_drawn(diagram), hide_axes=True),),
    )


def _candidates(snapshot: Snapshot) -> list[str]:
    """Return the selected assemblies, the newest first; those that were named in any status."""
    return snapshot.ids(EVERY_STATUS if snapshot.selection.assemblies else None)[::-1]


def _newest(snapshot: Snapshot) -> str:
    ids = _candidates(snapshot)
    if not ids:
        raise AssemblyError(
            f"{snapshot.name} has no completed assembly whose cohort could be drawn. See: lakebatch status {snapshot.name}"
        )
    return ids[0]


def _find_rows(snapshot: Snapshot, options: Options, on_gap: OnGap) -> tuple[str, pl.DataFrame]:
    """Return the newest selected assembly with stored trajectories, and these."""
    level = pl.col("level").is_null() if options.level is None else pl.col("level") == options.level
    for assembly_id in _candidates(snapshot) if snapshot.table(TRAJECTORIES) is not None else ():
        rows = snapshot.collected(
            EVERY_STATUS,
            lambda stored: stored.filter(level),
            table=TRAJECTORIES,
            on_gap=on_gap,
            only=[assembly_id],
        )
        if not rows.is_empty():
            return assembly_id, rows.sort("sample", maintain_order=True)
    raise AssemblyError(_why_none(snapshot, options, on_gap))


def _why_none(snapshot: Snapshot, options: Options, on_gap: OnGap) -> str:
    """Return the reason why there are no trajectories to draw, and what to do."""
    named = snapshot.selection.assemblies
    if snapshot.table(TRAJECTORIES) is None and not snapshot.roles.of_cohorts:
        return f"There are no trajectories to draw: {snapshot.name} has no table of them."
    levels = _stored_levels(snapshot, on_gap)
    if not levels:
        what = f"{', '.join(named)}" if named else f"no completed assembly of {snapshot.name}"
        return f"There are no trajectories to draw: {what} stored {'none' if named else 'any'}. Run it with store=all."
    at = "of the clean cohort" if options.level is None else f"at level {options.level:g}"
    others = [f"{each:g}" for each in levels if each is not None]
    if not others:
        return f"There are no trajectories {at}: {snapshot.name} stored those of the clean cohort only. Leave the level out."
    return f"There are no trajectories {at}. Expected a level with stored ones: {', '.join(others)}."


def _stored_levels(snapshot: Snapshot, on_gap: OnGap) -> list[float | None]:
    """Return the levels with stored trajectories; None for the clean cohort."""
    if snapshot.table(TRAJECTORIES) is None:
        return []
    found = snapshot.collected(
        EVERY_STATUS,
        lambda stored: stored.select("level").unique(),
        table=TRAJECTORIES,
        on_gap=on_gap,
        only=_candidates(snapshot),
    )
    return found["level"].unique().sort().to_list()


def _species_panel(species: str, rows: pl.DataFrame, axis: TimeAxis) -> Panel:
    values = np.array(rows["values"].to_list(), dtype=float)
    low, middle, high = np.percentile(values, [5, 50, 95], axis=0)
    chosen = np.linspace(0, len(values) - 1, min(MAX_SINGLE_SAMPLES, len(values))).astype(int)
    threads = [Thread(0, axis.times, tuple(values[index]), SINGLE) for index in chosen]
    band = Line(MEDIAN, 0, axis.times, tuple(middle), tuple(low), tuple(high), band=BAND)
    rules = [
        Rule(time, text="" if index else name)
        for name, times in _onsets(axis)
        for index, time in enumerate(times)
    ]
    return Panel(
        (*threads, band, *rules),
        title=species,
        x_label=f"time ({axis.unit})",
        y_label="concentration (a.u.)",
    )


def _onsets(axis: TimeAxis) -> list[tuple[str, Sequence[float]]]:
    """Return the names of events, with the times at which they begin."""
    return [(name, times if isinstance(times, Sequence) else (times,)) for name, times in axis.onsets.items()]


def _in_words(times: Sequence[float]) -> str:
    """Return times as a part of a sentence.

    >>> _in_words([5.0]), _in_words(range(0, 150, 24))
    ('5', '0, 24, 48 and 4 more times up to 144')
    """
    named = [f"{time:g}" for time in times]
    if len(named) > MAX_NAMED_TIMES:
        rest = len(named) - MAX_NAMED_TIMES
        return (
            f"{', '.join(named[:MAX_NAMED_TIMES])} and {rest} more time{'s' * (rest > 1)} up to {named[-1]}"
        )
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _drawn(diagram: Diagram) -> tuple[Box | Arrow, ...]:
    places = _places(diagram)
    boxes = [Box(node.name, *places[node.name], KIND_SLOTS.get(node.kind, 0)) for node in diagram.nodes]
    return (*boxes, *(_arrow(edge, places) for edge in diagram.edges))


def _places(diagram: Diagram) -> dict[str, tuple[float, float]]:
    """Return the positions of nodes: layers from left to right, the nodes of a layer centred."""
    layers: dict[int, list[str]] = defaultdict(list)
    for node in diagram.nodes:
        layers[node.layer].append(node.name)
    return {
        name: (layer * LAYER_WIDTH, ((len(names) - 1) / 2 - index) * ROW_HEIGHT)
        for layer, names in layers.items()
        for index, name in enumerate(names)
    }


def _arrow(edge: Edge, places: dict[str, tuple[float, float]]) -> Arrow:
    """Return an edge, curved around other nodes unless it leads to the next layer."""
    start, end = places[edge.source], places[edge.target]
    layers, rows = round((end[0] - start[0]) / LAYER_WIDTH), abs(end[1] - start[1]) / ROW_HEIGHT
    bend = 0.0 if layers == 1 else BENT if layers or rows < 1.5 else 2 * BENT
    return Arrow(start, end, edge.up, bend)


def _edges_in_words(diagram: Diagram) -> str:
    words = [f"{edge.source} {'raises' if edge.up else 'lowers'} {edge.target}" for edge in diagram.edges]
    return f"{'; '.join(words)}."
