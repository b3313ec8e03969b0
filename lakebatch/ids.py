"""Assembly ids, names of experiments and their versions, and the keys, canonical JSON and hashes of configs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from lakebatch._text import holds_secret
from lakebatch.errors import ConfigError, UnknownNameError

ASSEMBLY_ID = re.compile("[0-9]{8}_[0-9]{6}_run[0-9]{3,}")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
NUMBER = re.compile(r"\d{2,6}", re.ASCII)
VERSION = re.compile(r"v\d{1,6}", re.ASCII)
FOLDER = re.compile(
    rf"(?P<number>{NUMBER.pattern})_(?P<version>{VERSION.pattern})_(?P<name>{NAME.pattern})", re.ASCII
)
MAX_NAME = 100
"""Length of a name that, after number and experiment version, still fits in one step of a path."""
RESERVED = {"main", "lake", "memory", "temp", "system", "pg-catalog", "information-schema"}
"""Names with another meaning in SQL: the engine's own catalogs and schemas, and the schema of all experiments."""
MAX_SEED = 2**63 - 1


def folder_name(number: str, version: str, name: str) -> str:
    """Return the folder of an experiment in a lake, as `FOLDER` matches it.

    >>> folder_name("03", "v1", "response-noise")
    '03_v1_response-noise'
    """
    return f"{number}_{version}_{name}"


@dataclass(frozen=True)
class ExperimentName:
    """An experiment as commands name it: NAME, NAME@v1 for one experiment version, or its folder.

    Attributes
    ----------
    name : str
    version : str, optional
        The experiment version; none for the newest.
    number : str, optional
        Only a folder gives it.
    """

    name: str
    version: str | None = None
    number: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the experiment that a text names.

        >>> ExperimentName.parse("response-noise@v1")
        ExperimentName(name='response-noise', version='v1', number=None)
        >>> str(ExperimentName.parse("03_v1_response-noise"))
        'response-noise@v1'
        """
        if match := FOLDER.fullmatch(text):
            return cls(match["name"], match["version"], match["number"])
        name, at, version = text.partition("@")
        return cls(name, version if at else None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"

    def includes(self, folder: Self) -> bool:
        """Whether a folder holds the experiment, in the experiment version and with the number that this name gives."""
        return (
            self.name == folder.name
            and self.version in (None, folder.version)
            and self.number in (None, folder.number)
        )

    @property
    def rank(self) -> tuple[int, int]:
        """The order of the folders of one name: by experiment version, then by number."""
        return int((self.version or "v0")[1:]), int(self.number or 0)


def assembly_id(at: datetime, run_number: int) -> str:
    """Return the id of the assembly with a start time and a run number.

    >>> assembly_id(datetime(2026, 11, 23, 14, 22, 30, tzinfo=UTC), 7)
    '20261123_142230_run007'
    """
    return f"{at.astimezone(UTC):%Y%m%d_%H%M%S}_run{run_number:03d}"


def check_assembly_id(value: str) -> str:
    """Return the value if it has the form of an assembly id."""
    if not isinstance(value, str) or not ASSEMBLY_ID.fullmatch(value):
        raise UnknownNameError(
            f"{value!r} is not an assembly id. Expected YYYYMMDD_HHMMSS_runNNN; list them with: lakebatch status"
        )
    return value


def check_name(value: str, what: str = "experiment name") -> str:
    """Return the value if it can stand in a path and, with underscores, in SQL."""
    if not isinstance(value, str) or len(value) > MAX_NAME or not NAME.fullmatch(value):
        raise ConfigError(
            f"{str(value)[: MAX_NAME + 1]!r} is not a valid {what}. "
            f"Expected lower-case words joined by '-', up to {MAX_NAME} characters, e.g. response-noise."
        )
    return value


def check_no_secret(value: str, what: str) -> str:
    """Return the value unless it contains a secret: names are recorded as they are, so that they can be compared.

    Raises
    ------
    ConfigError
        If it contains one.
    """
    if holds_secret(value):
        raise ConfigError(
            f"The {what} {value!r} holds the value of a secret setting, and would be recorded. Choose another one."
        )
    return value


def check_new_name(value: str, what: str = "experiment name") -> str:
    """Return the value if it can be a new name that SQL will use."""
    if check_name(value, what) in RESERVED:
        raise ConfigError(
            f"{value!r} cannot be an {what}, since it has another meaning in SQL. Expected a name other than "
            f"{', '.join(sorted(RESERVED))}."
        )
    return value


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value: keys sorted, no spaces, no NaN.

    >>> canonical_json({"b": 1.0, "a": [0.1, None]})
    '{"a":[0.1,null],"b":1.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of a config and their values, in the order of the config.

    >>> list(leaves({"noise": {"kind": "additive", "levels": [0, 1]}}))
    [('noise.kind', 'additive'), ('noise.levels', [0, 1])]
    """
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def content_hash(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
