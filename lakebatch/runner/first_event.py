"""The content of the first event of an assembly: config, seed, parts, name, note and user."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Self

from lakebatch._text import holds_secret
from lakebatch._version import __version__
from lakebatch.assembly import labels as known
from lakebatch.assembly.record import Plan
from lakebatch.errors import ConfigError
from lakebatch.experiment.plan import RunPlan
from lakebatch.ids import MAX_SEED, canonical_json


@dataclass(frozen=True)
class Labels:
    """What a user says of a new assembly: its name, a note, and the assembly that it starts from."""

    name: str | None = None
    note: str | None = None
    start_from: str | None = None

    @classmethod
    def of(cls, *, name: str | None, note: str | None, start_from: str | None) -> Self:
        """Return the labels after a check of each.

        Raises
        ------
        ConfigError
            If the name or the note cannot be used.
        """
        return cls(
            None if name is None else known.check_label(name),
            None if note is None else known.check_note(note),
            start_from,
        )

    def environment(self) -> dict[str, str]:
        """Return the entries of the environment, with the name of the user."""
        given = {known.USER: known.user(), known.LABEL: self.name, known.FROM: self.start_from}
        return {key: value for key, value in given.items() if value is not None}


NO_LABELS = Labels()


def of(plan: RunPlan, seed: int | None, labels: Labels) -> Plan:
    """Return the part of a plan that the first event of an assembly records."""
    config = plan.config.model_dump(mode="json")
    check_secrets(canonical_json(config), plan.keys)
    return Plan(
        config=config,
        parts=plan.keys,
        base_seed=plan.experiment.base_seed(plan.config),
        pinned_seed=check_seed(seed),
        known_gaps=tuple(plan.experiment.known_gaps(plan.config)),
        code_version=__version__,
        environment=plan.environment,
        note=labels.note,
    )


def check_secrets(config: str, keys: tuple[str, ...]) -> None:
    """Refuse to record a secret, which would stay in the lake for ever."""
    for what, text in (("config", config), *(("key of a part", key) for key in keys)):
        if holds_secret(text):
            raise ConfigError(
                f"The {what} holds the value of a secret setting, and would be recorded: {text}. "
                "Take it out; an experiment can read it from the environment."
            )


def check_seed(seed: int | None) -> int | None:
    """Return a seed, if it is one."""
    if seed is not None and (not isinstance(seed, Integral) or not 0 <= seed <= MAX_SEED):
        raise ConfigError(f"seed is {seed!r}. Expected 0 to {MAX_SEED}.")
    return seed
