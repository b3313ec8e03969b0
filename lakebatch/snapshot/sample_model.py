"""The model of one sample of an assembly as SBML, for other simulators."""

from __future__ import annotations

import polars as pl

from lakebatch._version import __version__
from lakebatch.assembly.tables import SAMPLES
from lakebatch.errors import ExperimentError
from lakebatch.snapshot.dataset import recall
from lakebatch.snapshot.snapshot import Snapshot


def load(snapshot: Snapshot, assembly_id: str, *, sample: int, level: float | None = None) -> str:
    """Return the model of one sample as SBML: with its parameters and initial values, and what acts on it as events.

    Its values are those of the table ``samples``; clean values that are not stored are drawn again. A comment says what it
    is and at which times it was simulated.

    Raises
    ------
    AssemblyError
        If no run computed the assembly, or the installed code has another experiment version.
    UnknownNameError
        If the assembly has no such sample or level.
    ExperimentError
        If its values at the level are not stored, or the experiment has no model.
    """
    from lakebatch.assembly.seeds import PREPARATION, stream_generator  # needs numpy, as simulations do

    assembly_id = snapshot.assembly(assembly_id).assembly_id
    experiment, config = recall(snapshot, assembly_id)
    rows = _rows(snapshot, assembly_id, sample)
    generator = stream_generator(snapshot.assembly(assembly_id).seed, PREPARATION)
    text = experiment.sample_model(rows, config, generator, sample=sample, level=level)
    times = experiment.time_axis(config).times
    at = "" if level is None else f" at level {level:g}"
    comment = (
        f"{snapshot.qualified_name} {assembly_id}, sample {sample}{at}, by lakebatch {__version__}. "
        f"Simulated from {times[0]!r} to {times[-1]!r} with {len(times)} time points."
    )
    return _commented(text, comment)


def _rows(snapshot: Snapshot, assembly_id: str, sample: int) -> pl.DataFrame:
    """Return the stored rows of a sample."""
    if snapshot.table(SAMPLES) is None:
        return pl.DataFrame(schema={"level": pl.Float64})
    chosen = snapshot.scan_one(assembly_id, table=SAMPLES).filter(pl.col("sample") == sample)
    return snapshot.computed(chosen, [assembly_id], table=SAMPLES)


def _commented(text: str, comment: str) -> str:
    """Return a document with a comment after its declaration."""
    declaration, end, rest = text.partition("?>")
    if not (end and declaration.startswith("<?xml")):
        raise ExperimentError("The experiment's sample_model() returned no XML. Expected a document of SBML.")
    return f"{declaration}{end}\n<!-- {comment.replace('--', '- -')} -->\n{rest.lstrip()}"
