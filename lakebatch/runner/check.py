"""Checks of the promises that every experiment must keep, for `lakebatch check`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lakebatch.assembly.record import Assembly
from lakebatch.columns import table_names
from lakebatch.errors import ExperimentError, LakebatchError, RunInterrupted
from lakebatch.executor.declared import declared_schemas
from lakebatch.executor.worker import Outcome, collect_frames, prepare, run_part
from lakebatch.experiment import registry
from lakebatch.experiment.config import DEFAULT_PRESET
from lakebatch.experiment.contract import Part
from lakebatch.experiment.plan import RunPlan
from lakebatch.ids import leaves
from lakebatch.lake.lake import Lake, open_lake
from lakebatch.runner.assembly_run import Progress
from lakebatch.runner.run import resume, run
from lakebatch.runner.sweep import resume_sweep, run_sweep
from lakebatch.snapshot import compare
from lakebatch.storage.delta.schema import TableSchema

SEED = 20_261_123


@dataclass(frozen=True)
class CheckConfig:
    """Experiment to check and config for the check."""

    name: str
    preset: str = DEFAULT_PRESET
    settings: tuple[str, ...] = ()
    config: Path | None = None
    overrides: Mapping[str, Any] | None = None

    @property
    def layers(self) -> dict[str, Any]:
        """The layers of the config, as arguments of `lakebatch.runner.run.run`."""
        names = ("preset", "settings", "config", "overrides")
        return {name: getattr(self, name) for name in names}

    def plan(self) -> RunPlan:
        """Return what a run would compute."""
        layers = self.layers
        return RunPlan.resolve(registry.get(self.name), file=layers.pop("config"), **layers)

    def run(
        self, lake: Lake, *, jobs: int = 1, seed: int = SEED, progress: Progress | None = None
    ) -> Assembly:
        """Run one assembly, and raise unless it ends completed."""
        done = run(lake, self.name, **self.layers, seed=seed, jobs=jobs, progress=progress)
        _expect(done.status == "completed", f"a run ended {done.status}: {done.error}")
        return done


def check_plan(trial: CheckConfig) -> None:
    """The same parts are planned every time, also for a config that was read back from its record."""
    plan = trial.plan()
    record = json.loads(json.dumps(plan.config.model_dump(mode="json")))
    recorded = RunPlan.from_record(plan.source, record)
    _expect(recorded.config == plan.config, "the config is another one when it comes back from its record")
    _expect(recorded.keys == plan.keys, "parts() plans otherwise a second time")


def check_rows(trial: CheckConfig) -> None:
    """Every part has its announced number of rows, in declared tables, with the columns of their schemas."""
    with _lake() as lake:
        done = trial.run(lake)
        plan = RunPlan.from_record(registry.get(trial.name), done.settings)
        announced = {part.key: plan.work([part]) for part in plan.parts}
        rows = lake[trial.name].table(plan.marker).at().scan().collect()
        counted = {str(key[0]): group.height for key, group in rows.group_by("part")}
        _expect(
            counted == announced,
            f"the parts have other numbers of rows than work() announces: {counted}, not {announced}",
        )


def check_repeatable(trial: CheckConfig) -> None:
    """The same seed gives the same rows, in one process and in two."""
    with _lake() as lake:
        first, again, parallel = trial.run(lake), trial.run(lake), trial.run(lake, jobs=2)
        _expect_equal(lake, first, again, "a second run with the same seed")
        _expect_equal(lake, first, parallel, "a run in two worker processes")


def check_independent(trial: CheckConfig) -> None:
    """Another seed gives other rows: replicates are independent."""
    with _lake() as lake:
        first, other = trial.run(lake), trial.run(lake, seed=SEED + 1)
        same = all(
            _rows(lake, first, table).equals(_rows(lake, other, table)) for table in _tables(trial.name)
        )
        _expect(not same, "the rows are the same for two seeds; draw from the generator that run() is handed")


def check_resumable(trial: CheckConfig) -> None:
    """A run that is interrupted after its first part and resumed has the rows of an uninterrupted run."""
    with _lake() as lake:
        whole = trial.run(lake)
        try:
            trial.run(lake, progress=_StopAfterFirstPart())
        except RunInterrupted:
            listener = _Count()
            resumed = resume(lake, trial.name, jobs=1, progress=listener)
            _expect(
                listener.parts == whole.parts_planned - 1,
                f"resuming computed {listener.parts} parts, {whole.parts_planned - 1} were missing",
            )
            _expect_equal(lake, whole, resumed, "a resumed run")


def check_sweep(trial: CheckConfig) -> None:
    """A sweep that is interrupted and resumed has every replicate of its points once, and no two of equal rows."""
    config = trial.plan().config.model_dump(mode="json")
    known = {key: value for key, value in leaves(config) if value not in (None, {})}
    if not known:  # nothing can be varied
        return
    key, value = next(iter(known.items()))
    with _lake() as lake:
        sweep = {key: [value]}
        try:
            run_sweep(
                lake, trial.name, sweep, sweep_name="check", replicates=2, jobs=1,
                progress=_StopAfterFirstPart(), **trial.layers,
            )  # fmt: skip
        except RunInterrupted:
            resume_sweep(lake, trial.name, "check", jobs=1)
        points = lake[trial.name].sweep("check")
        states = points["state"].to_list()
        _expect(states == ["done", "done"], f"the replicates of a resumed sweep are {', '.join(states)}")
        first, second = (lake[trial.name].log.get(each) for each in points["assembly_id"])
        same = all(_rows(lake, first, name).equals(_rows(lake, second, name)) for name in _tables(trial.name))
        _expect(
            not same,
            "two replicates of a sweep have the same rows; draw from the generator that run() is handed",
        )


def check_pieces(trial: CheckConfig) -> None:
    """The pieces of a part, with a spread preparation, have the rows of the part in the same order."""
    plan = trial.plan()
    try:
        _compare_pieces(plan)
    except (LakebatchError, MemoryError):
        raise
    except Exception as error:
        raise ExperimentError(f"It raises {type(error).__name__}: {error}.") from error


def _compare_pieces(plan: RunPlan) -> None:
    experiment, config = plan.experiment, plan.config
    schemas = {schema.table: schema for schema in declared_schemas(experiment, config)}
    whole = prepare(experiment, config, SEED)
    spread = prepare(experiment, config, SEED, lambda function, values: [function(each) for each in values])

    def frames(part: Part, prepared: Any) -> dict[str, pl.DataFrame]:
        found = collect_frames(run_part(experiment, part, prepared, config, SEED))
        return {
            table: _without_volatile(schemas.get(table), pl.concat(each)) for table, each in found.items()
        }

    parts = plan.parts
    for part in {parts[0].key: parts[0], parts[-1].key: parts[-1]}.values():
        cut = [frames(piece, spread) for piece in experiment.pieces(part, config)]
        for table, expected in frames(part, whole).items():
            pieces = [each[table] for each in cut if table in each]
            same = bool(pieces) and pl.concat(pieces).equals(expected)
            _expect(same, f"the pieces of {part.key} have other {table} than the part")


CHECKS: tuple[Callable[[CheckConfig], None], ...] = (
    check_plan,
    check_rows,
    check_repeatable,
    check_independent,
    check_resumable,
    check_sweep,
    check_pieces,
)
"""Every check; a failed one raises `ExperimentError` with the fault."""


class _StopAfterFirstPart(Progress):
    """Stops a run as Ctrl-C does."""

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        raise KeyboardInterrupt


class _Count(Progress):
    """Counts committed parts."""

    parts = 0

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        self.parts += 1


@contextmanager
def _lake() -> Iterator[Lake]:
    with tempfile.TemporaryDirectory(prefix="lakebatch-check-") as folder:
        yield open_lake(folder)


def _tables(name: str) -> Sequence[str]:
    return table_names(registry.load(registry.get(name)).tables)


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise ExperimentError(f"{otherwise[0].upper()}{otherwise[1:]}.")


def _expect_equal(lake: Lake, one: Assembly, other: Assembly, what: str) -> None:
    (name,) = {each.name for each in lake}
    for table in _tables(name):
        first, second = _rows(lake, one, table), _rows(lake, other, table)
        differing = compare.differences(first, second)["column"]
        _expect(differing.is_empty(), f"{what} gives other {table}: {', '.join(differing)}")


def _rows(lake: Lake, assembly: Assembly, table: str) -> pl.DataFrame:
    """Return an assembly's rows of a table without volatile columns, in a fixed order."""
    (stored,) = lake
    return compare.rows(stored.snapshot(), assembly.assembly_id, table)


def _without_volatile(schema: TableSchema | None, frame: pl.DataFrame) -> pl.DataFrame:
    stable = compare.stable_columns(schema) if schema else frame.columns
    return frame.select(name for name in frame.columns if name in stable)
