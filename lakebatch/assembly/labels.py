"""Facts about one assembly in its environment: its name, its user, and the assembly whose config it took."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from lakebatch._text import hint, one_line, redact
from lakebatch.assembly import replication
from lakebatch.errors import AssemblyError, ConfigError, NameClashError, UnknownNameError
from lakebatch.ids import ASSEMBLY_ID, MAX_NAME, NAME, VERSION, check_name, check_no_secret

USER, LABEL, FROM = "user", "name", "from"
NOT_PUBLISHED = "not_published"
"""Environment key that only an imported assembly has: the tables that its publication lacks."""
"""Environment keys."""
SWEEP = "sweep"
"""Environment key for sweep, point and replicate of an assembly of a sweep, see `lakebatch.assembly.sweep_claims`."""
LASTING = (LABEL, FROM, SWEEP, replication.KEY)
"""Environment keys of the first event that every later event of the assembly keeps."""
ASIDE = (USER, *LASTING)
"""Environment keys that say nothing of the software."""
USER_VARIABLE = "LAKEBATCH_USER"
MAX_USER = 100
MAX_NOTE = 10_000
TAKEN = ("now",)
# words with another meaning where an assembly can be named


def user() -> str:
    """Return the name of the user: ``LAKEBATCH_USER``, or else the login name; ``unknown`` without any."""
    return _clean(os.environ.get(USER_VARIABLE, "") or _login())[:MAX_USER] or "unknown"


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without an entry, as in containers
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else ""


def _clean(text: str) -> str:
    return one_line(redact(text.encode(errors="backslashreplace").decode()))


def check_label(value: str) -> str:
    """Return the value if it can be the name of an assembly.

    Raises
    ------
    ConfigError
        If it has another form, is that of an experiment version or another word with a meaning, or holds a secret.
    """
    if value in TAKEN or (isinstance(value, str) and VERSION.fullmatch(value)):
        raise ConfigError(
            f"An assembly cannot be called {value!r}, which has another meaning. Choose another name, e.g. run-{value}."
        )
    return check_no_secret(check_name(value, "name of an assembly"), "name")


def check_note(text: str) -> str:
    """Return the text of a note without white space around it.

    Raises
    ------
    ConfigError
        If it is empty or too long.
    """
    if not isinstance(text, str) or not text.strip():
        raise ConfigError("The note is empty. Expected some words.")
    if len(text) > MAX_NOTE:
        raise ConfigError(f"The note has {len(text)} characters. Expected at most {MAX_NOTE}.")
    return text.strip().encode(errors="backslashreplace").decode()


def check_reference(value: str) -> str:
    """Return the value if it has the form of an assembly id or of the name of an assembly.

    Raises
    ------
    UnknownNameError
        If it has neither.
    """
    if isinstance(value, str) and (
        ASSEMBLY_ID.fullmatch(value) or (NAME.fullmatch(value) and len(value) <= MAX_NAME)
    ):
        return value
    raise UnknownNameError(
        f"{value!r} is not an assembly id. Expected YYYYMMDD_HHMMSS_runNNN, or the name of an assembly; "
        "list them with: lakebatch status"
    )


def is_label(environment: Mapping[str, Any]) -> bool:
    """Whether what an environment says of name, user and origin has the form that lakebatch writes."""
    return all(isinstance(environment.get(key), str | None) for key in (USER, LABEL, FROM))


def lasting(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that later events of the assembly keep."""
    return {key: environment[key] for key in LASTING if key in environment}


def resumed_labels(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of the event with which this user resumes the assembly."""
    return {USER: user(), **lasting(environment)}


def recorded(key: str) -> pl.Expr:
    """Return the value of one of the keys in a column of environments."""
    return pl.col("environment").str.json_path_match(f"$.{key}")


def find(last_events: pl.DataFrame, text: str) -> str:
    """Return the id of an assembly by its id or its name, from the last event of each; an id is returned as it is.

    A name belongs to the assembly that is not discarded, if there is one.

    Raises
    ------
    UnknownNameError
        If no assembly has the name.
    AssemblyError
        If several have it.
    """
    if ASSEMBLY_ID.fullmatch(check_reference(text)):
        return text
    found = _called(last_events, text)
    if not found:
        names = last_events.select(recorded(LABEL)).to_series().drop_nulls().unique().sort().to_list()
        known = f"Names: {', '.join(names)}. " if names else ""
        raise UnknownNameError(
            f"{text!r} is not an assembly id, and no assembly has this name. {hint(text, names)}{known}"
            "List ids and names with: lakebatch status"
        )
    if len(found) > 1:
        raise AssemblyError(
            f"Several assemblies are called {text!r}: {', '.join(found)}. Give the id of one of them."
        )
    return found[0]


def _called(last_events: pl.DataFrame, name: str) -> list[str]:
    rows = last_events.filter(recorded(LABEL) == name)
    kept = rows.filter(pl.col("status") != "discarded")
    return list((kept if kept.height else rows)["assembly_id"])


def check_free(name: str | None, others: Iterable[tuple[str, str | None]]) -> None:
    """Raise `NameClashError` if another assembly has a name.

    Parameters
    ----------
    others : iterable of pairs
        Id and name of each assembly that is not discarded.
    """
    for assembly_id, theirs in others:
        if name is not None and theirs == name:
            raise NameClashError(
                f"{assembly_id} is called {name!r} already. Choose another name, or discard that assembly first."
            )
