"""Checked parsing of the JSON in assembly records, since any tool with access to the lake can write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lakebatch._files import ExcessError, check_size
from lakebatch.assembly import dropped_samples, labels, missing_metrics, replication
from lakebatch.errors import DamageError

MAX_VALUES = 10_000_000
"""Upper bound of the values in a record; the record of an import lists each of its files."""
MEMBER = {"host": str, "pid": int, "ended": str | None}
"""Required fields of an array member, with their types."""
PURGE = {"at": str, "by": str, "reason": str, "parts": int, "done": bool, "tables": dict}
PURGED_TABLE = {"files": int, "rows": int, "bytes": int, "fingerprint": str | None}
"""Required fields of a purge and of what it took out of one table, see `lakebatch.assembly.purges`."""


def where(column: str, assembly_id: str, event: int) -> str:
    """Return the place of a record, for error messages."""
    return f"Column {column!r} of event {event} of {assembly_id} in the table 'assemblies'"


def read_tree(text: str, place: str) -> dict[str, Any]:
    """Return the JSON object in a column of a record.

    Raises
    ------
    DamageError
        If the string is not a JSON object, or is nested too deeply; the message begins with ``place``.
    """
    try:
        tree = json.loads(text)
        check_size(tree, MAX_VALUES)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ExcessError) else "it is not JSON"
        raise _fault(place, reason) from error
    if not isinstance(tree, dict):
        raise _fault(place, f"it holds {type(tree).__name__}, expected an object")
    return tree


def read_environment(text: str, place: str) -> dict[str, Any]:
    """Return the environment in a record: the software that computed the assembly, and the processes at work on it.

    Raises
    ------
    DamageError
        If a field has another form; the message begins with ``place``.
    """
    found = read_tree(text, place)
    if not all(isinstance(found.get(name), str | None) for name in ("source_hash", "commit")):
        raise _fault(place, "what it says of the code is not of the form that lakebatch writes")
    if not labels.is_label(found):
        raise _fault(place, "what it says of name, user and origin is not of the form that lakebatch writes")
    if not isinstance(found.get("packages", {}), dict):
        raise _fault(place, "'packages' is no object")
    if not _is_worker(found):
        raise _fault(place, "what it says of its process is not of the form that lakebatch writes")
    if not _is_versions(found.get("workers", [])):
        raise _fault(place, "'workers' is not of the form that lakebatch writes")
    if not _is_array(found.get("shards", {})):
        raise _fault(place, "'shards' is not of the form that lakebatch writes")
    if not _is_purge(found.get("purged")):
        raise _fault(place, "'purged' is not of the form that lakebatch writes")
    if not _is_sweep(found.get(labels.SWEEP)):
        raise _fault(place, "'sweep' is not of the form that lakebatch writes")
    for counted in (missing_metrics, dropped_samples, replication):
        if (record := found.get(counted.KEY)) is not None and not counted.is_record(record):
            raise _fault(place, f"{counted.KEY!r} is not of the form that lakebatch writes")
    return found


def _is_sweep(sweep: Any) -> bool:
    if sweep is None:
        return True
    if not isinstance(sweep, dict) or not isinstance(sweep.get("id"), str):
        return False
    keys = sweep.get("keys")
    has_numbers = all(isinstance(sweep.get(name), int) for name in ("point", "replicate"))
    return has_numbers and isinstance(keys, list) and all(isinstance(each, str) for each in keys)


def _is_versions(workers: Any) -> bool:
    return isinstance(workers, list) and all(isinstance(each, dict) for each in workers)


def _is_array(shards: Any) -> bool:
    if shards == {}:
        return True
    if not isinstance(shards, dict) or not isinstance(shards.get("array"), str):
        return False
    of, members = shards.get("of"), shards.get("members")
    if not isinstance(of, int) or of < 1 or not isinstance(members, dict):
        return False
    return all(name.isdecimal() for name in members) and all(map(_is_member, members.values()))


def _is_member(member: Any) -> bool:
    return _has_fields(member, MEMBER) and _is_worker(member)


def _is_purge(record: Any) -> bool:
    if record is None:
        return True
    if not _has_fields(record, PURGE) or not _is_time(record["at"]):
        return False
    return all(
        _has_fields(each, PURGED_TABLE) and len(each) == len(PURGED_TABLE)
        for each in record["tables"].values()
    )


def _has_fields(record: Any, fields: Mapping[str, Any]) -> bool:
    return isinstance(record, dict) and all(
        isinstance(record.get(name), kind) for name, kind in fields.items()
    )


def _is_worker(record: Mapping[str, Any]) -> bool:
    names = ("process_started", "namespace", "lease")
    has_types = all(isinstance(record.get(name), str | None) for name in names)
    return has_types and ("since" not in record or _is_time(record["since"]))


def _is_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _fault(place: str, reason: str) -> DamageError:
    return DamageError(
        f"{place} is damaged: {reason}. Something else than lakebatch wrote it; put the table back from a backup."
    )
