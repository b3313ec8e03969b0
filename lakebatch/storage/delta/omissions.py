"""Warnings and errors about what is left out of a dataset because it cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lakebatch.errors import (
    DamageError,
    DamageWarning,
    LakebatchError,
    SchemaError,
    StorageError,
    UnreadableWarning,
    warn,
)
from lakebatch.storage.delta.damage import MAX_NAMED, Fault


@contextmanager
def warn_and_skip(name: str, *, refuse: bool = False) -> Iterator[None]:
    """Warn of a table or experiment that cannot be read, and go on without it; or raise the error."""
    try:
        yield
    except (StorageError, SchemaError) as error:
        if refuse:
            raise
        warn_of_skipped(name, error)


def warn_of_skipped(name: str, error: LakebatchError) -> None:
    """Warn of a table or experiment that is left out because it cannot be read."""
    command = f"lakebatch doctor {name.partition('.')[0].replace('_', '-')}"
    kind = DamageWarning if isinstance(error, DamageError | SchemaError) else UnreadableWarning
    warn(f"{name} is left out: {error} (see: {command})", kind)


def warn_of_faults(faults: Sequence[Fault]) -> None:
    """Warn in one line of the files that are left out because they cannot be read."""
    if not faults:
        return
    named = "; ".join(each.what for each in faults[:MAX_NAMED])
    more = f"; and {len(faults) - MAX_NAMED} more" if len(faults) > MAX_NAMED else ""
    kind = UnreadableWarning if any(each.is_whole for each in faults) else DamageWarning
    warn(f"Left out: {named}{more}. {faults[0].advice}", kind)


def refusal(faults: Sequence[Fault]) -> StorageError:
    """Return the error to raise when faults keep a dataset from being complete."""
    more = f"; {len(faults) - 1} more cannot be read either" if len(faults) > 1 else ""
    return with_way_out(faults[0].error(), more)


def with_way_out(error: StorageError, more: str = "") -> StorageError:
    """Return the error with the option that reads the rest."""
    longer = type(error)(
        f"{str(error).rstrip('.')}{more}. To read the rest, use on_gap='ignore' (--on-gap ignore)."
    )
    if isinstance(longer, DamageError):
        longer.assembly_id = getattr(error, "assembly_id", None)
    return longer
