"""The points of a sweep: every config validated, before anything is recorded or computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lakebatch._text import excerpt, holds_secret
from lakebatch.assembly.seeds import stream_generator
from lakebatch.assembly.sweeps import Sweep, SweepPoint, check_sweep_name
from lakebatch.errors import ConfigError
from lakebatch.experiment import registry
from lakebatch.experiment.plan import RunPlan
from lakebatch.experiment.registry import Source
from lakebatch.experiment.sweep_design import Design, Sweepable, nested, shown, swept_keys
from lakebatch.experiment.sweep_files import read_sweep_file
from lakebatch.ids import canonical_json
from lakebatch.lake.lake import Lake
from lakebatch.runner import start_from as start_from_record
from lakebatch.runner.first_event import check_seed
from lakebatch.runner.start_from import Origin, resolve
from lakebatch.snapshot.selection import look_up

MAX_NAMED = 2
# faulty points that an error names


@dataclass(frozen=True)
class PlannedPoint:
    """One point of a sweep: the values of the swept keys, and the plan of its assemblies."""

    values: Mapping[str, Any]
    plan: RunPlan

    @property
    def work(self) -> int:
        """The amount of work of one assembly, in the experiment's unit."""
        return self.plan.work(self.plan.parts)


@dataclass(frozen=True)
class SweepRequest:
    """What a sweep shall compute: its design, and the number of replicates of each point."""

    design: Design
    replicates: int = 1

    @classmethod
    def of(
        cls,
        sweep: Sweepable | Design,
        *,
        file: Path | None = None,
        draws: int | None = None,
        design: str | None = None,
        seed: int | None = None,
        replicates: int | None = None,
    ) -> SweepRequest:
        """Return a request from swept keys, a file of them or both; arguments override what the file sets.

        Raises
        ------
        ConfigError
            If a part of it is malformed.
        """
        if isinstance(sweep, Design):
            return cls(sweep, _count(1 if replicates is None else replicates))
        if isinstance(sweep, Path):
            return cls.of((), file=sweep, draws=draws, design=design, seed=seed, replicates=replicates)
        given = swept_keys(sweep)
        options: dict[str, Any] = {}
        if file is not None:
            read = read_sweep_file(file)
            given, options = (*read.swept, *given), dict(read.options)
        named = {"draws": draws, "design": design, "seed": seed, "replicates": replicates}
        options |= {key: value for key, value in named.items() if value is not None}
        made = Design(given, options.get("draws"), options.get("design", "random"), options.get("seed", 0))
        return cls(made, _count(options.get("replicates", 1)))

    def definition(self) -> tuple[str, ...]:
        """Return what was asked for, for people."""
        drawn = [] if self.design.draws is None else [f"{self.design.draws} {self.design.kind} draws"]
        return (*(_described(each) for each in self.design.swept), *drawn)


def _described(swept: Any) -> str:
    keys = ",".join(swept.keys)
    if swept.distribution is not None:
        return f"{keys}={swept.distribution.text}"
    steps = [values[0] if len(values) == 1 else list(values) for values in swept.values]
    return excerpt(
        f"{keys}={','.join(each if isinstance(each, str) else _json(each) for each in steps)}", 200
    )


def _count(replicates: Any) -> int:
    if not isinstance(replicates, int) or isinstance(replicates, bool) or replicates < 1:
        raise ConfigError(f"replicates is {replicates!r}. Expected 1 or more.")
    return replicates


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep asks for, with a validated config for each point."""

    source: Source
    request: SweepRequest
    points: list[PlannedPoint]
    seed: int | None

    def named(self, name: str) -> Sweep:
        """Return the plan under a name, as the lake records it, see `to_sweep`."""
        return to_sweep(name, self.request, self.points, self.seed)


def plan_sweep(
    lake: Lake,
    name: str,
    sweep: Sweepable | Design | SweepRequest,
    *,
    draws: int | None = None,
    design: str | None = None,
    sweep_seed: int | None = None,
    replicates: int | None = None,
    preset: str | None = None,
    start_from: str | None = None,
    config: Path | None = None,
    settings: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    same_seed: bool = False,
) -> SweepPlan:
    """Return the plan of a sweep; the parameters are those of `lakebatch.runner.sweep.run_sweep`.

    Raises
    ------
    LakebatchError
        If it could not be run.
    """
    request = sweep if isinstance(sweep, SweepRequest) else SweepRequest.of(
        sweep, draws=draws, design=design, seed=sweep_seed, replicates=replicates
    )  # fmt: skip
    source = registry.get(name)
    origin = start_from_record.origin_of(lake, source, start_from, preset)
    seed = check_seed(start_from_record.seed(origin, seed, same_seed=same_seed))
    layers: dict[str, Any] = {"config": config, "settings": settings, "overrides": overrides}
    points = _plan_points(source, request.design, origin=origin, preset=preset, **layers)
    return SweepPlan(source, request, points, seed)


def _plan_points(
    source: Source,
    design: Design,
    *,
    origin: Origin | None = None,
    preset: str | None = None,
    config: Path | None = None,
    settings: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> list[PlannedPoint]:
    """Return the points of a sweep, each with a validated config.

    Raises
    ------
    ConfigError
        If the config of a point is invalid, or two points have the same config.
    """
    base: dict[str, Any] = {
        "file": config,
        "settings": [settings] if isinstance(settings, str) else tuple(settings),
    }
    found: list[PlannedPoint] = []
    faults: list[tuple[str, str]] = []
    for number, values in enumerate(_points(design), 1):
        try:
            plan = resolve(source, origin, preset, **base, overrides=overrides, swept=nested(values))
            found.append(PlannedPoint(_recordable(values, plan), plan))
        except ConfigError as error:
            faults.append((f"point {number} ({shown(_texts(values))})", str(error)))
    if faults:
        raise ConfigError(_few(faults, design.count))
    _check_distinct(found)
    return found


def _points(design: Design) -> list[dict[str, Any]]:
    return design.points(partial(stream_generator, design.seed))


def _recordable(values: Mapping[str, Any], plan: RunPlan) -> dict[str, Any]:
    """Return values as JSON has them: those of the config where a value has another form there, as a date."""
    config = plan.config.model_dump(mode="json")
    return {key: value if _is_json(value) else look_up(config, key) for key, value in values.items()}


def _is_json(value: Any) -> bool:
    try:
        canonical_json(value)
    except (TypeError, ValueError):
        return False
    return True


def _json(value: Any) -> str:
    return canonical_json(value) if _is_json(value) else str(value)


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value if _is_json(value) else str(value) for key, value in values.items()}


def _few(faults: Sequence[tuple[str, str]], points: int) -> str:
    """Return the faults of points in one line; a fault of every point stands alone."""
    if len(faults) == points and len({why for _, why in faults}) == 1:
        return faults[0][1]
    more = f"; and {len(faults) - MAX_NAMED} more" if len(faults) > MAX_NAMED else ""
    named = "; ".join(f"{which}: {why.rstrip('.')}" for which, why in faults[:MAX_NAMED])
    return f"{len(faults)} of {points} points cannot be run: {named}{more}. Nothing was begun."


def _check_distinct(points: Sequence[PlannedPoint]) -> None:
    seen: dict[str, int] = {}
    for number, each in enumerate(points, 1):
        config = canonical_json(each.plan.config.model_dump(mode="json"))
        if first := seen.get(config):
            raise ConfigError(
                f"Points {first} and {number} have the same config ({shown(each.values)}). Expected distinct points; "
                "for more assemblies of one config use replicates=N (--replicates)."
            )
        seen[config] = number


def to_sweep(
    name: str, request: SweepRequest, points: Sequence[PlannedPoint], seed: int | None = None
) -> Sweep:
    """Return the plan of a sweep, as the lake records it.

    Raises
    ------
    ConfigError
        If it cannot have this name, holds a secret, or pins the seed of several replicates.
    """
    if seed is not None and request.replicates > 1:
        raise ConfigError(
            f"With seed={seed} (--seed), all {request.replicates} replicates of a point would be the same. Leave it out."
        )
    made = Sweep(
        name=check_sweep_name(name),
        definition=request.definition(),
        keys=request.design.keys,
        points=tuple(
            SweepPoint(number, each.values, each.plan.config.model_dump(mode="json"), len(each.plan.parts))
            for number, each in enumerate(points, 1)
        ),
        replicates=request.replicates,
        seed=seed,
    )
    if holds_secret(made.plan()):
        raise ConfigError(
            "The sweep holds the value of a secret setting, and would be recorded. Take it out."
        )
    return made
