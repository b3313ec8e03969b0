"""Assembly ids, names, canonical JSON and hashes."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from lakebatch._text import holds_secret
from lakebatch.errors import AssemblyError, ConfigError

ASSEMBLY_ID = re.compile("[0-9]{8}_[0-9]{6}_run[0-9]{3,}")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
NUMBER = re.compile(r"\d{2,6}", re.ASCII)
VERSION = re.compile(r"v\d{1,6}", re.ASCII)
MAX_NAME = 100
"""Length of a name that, after number and version, still fits in one step of a path."""
RESERVED = {"main", "lake", "memory", "temp", "system", "pg-catalog", "information-schema"}
"""Names with another meaning in SQL: the engine's own catalogs and schemas, and the schema of all experiments."""
MAX_SEED = 2**63 - 1


def assembly_id(at: datetime, run_number: int) -> str:
    """Return the id of the assembly with a start time and a run number.

    >>> assembly_id(datetime(2026, 11, 23, 14, 22, 30, tzinfo=UTC), 7)
    '20261123_142230_run007'
    """
    return f"{at.astimezone(UTC):%Y%m%d_%H%M%S}_run{run_number:03d}"


def check_assembly_id(value: str) -> str:
    """Return the value if it has the form of an assembly id."""
    if not ASSEMBLY_ID.fullmatch(value):
        raise AssemblyError(
            f"{value!r} is not an assembly id. Expected YYYYMMDD_HHMMSS_runNNN; list them with: lakebatch status"
        )
    return value


def check_name(value: str, what: str = "experiment name") -> str:
    """Return the value if it can stand in a path and, with underscores, in SQL."""
    if len(value) > MAX_NAME or not NAME.fullmatch(value):
        raise ConfigError(
            f"{value[: MAX_NAME + 1]!r} is not a valid {what}. "
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


def content_hash(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
