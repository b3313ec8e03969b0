"""Keeps the published table up to date; what calls this never fails because of it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lakebatch import _process as process
from lakebatch.assembly.tables import PUBLISHED, ExperimentTables
from lakebatch.assembly.tags import Tag
from lakebatch.errors import DamageWarning, LakebatchError
from lakebatch.maintenance.published import comparison
from lakebatch.maintenance.published.commits import commit, ensure, has_results, now
from lakebatch.maintenance.published.plan import plan
from lakebatch.maintenance.published.tags import publish, replay

logger = logging.getLogger(__name__)


def update(tables: ExperimentTables, *, merge: bool = False) -> bool:
    """Bring the published table to the newest state, and return whether anything had to be done.

    The table is created with the first completed assembly. What it holds is read from its files, so it is right
    afterwards whatever happened to it.

    Parameters
    ----------
    merge : bool
        Merge all of its small files.

    Raises
    ------
    LakebatchError
        If the results or events cannot be read, or the table not be written.
    """
    if not has_results(tables):
        return False
    with _without_warnings():
        if not tables.table(PUBLISHED).can_open():
            wanted = now(tables)
            if not wanted.entries:
                return False
            ensure(tables, wanted)
        was_behind = replay(tables)
        return commit(tables, lambda: now(tables), merge=merge) or was_behind


def is_behind(tables: ExperimentTables) -> bool:
    """Whether `update`, with ``merge``, has something to do."""
    if not has_results(tables):
        return False
    with _without_warnings():
        wanted, table = now(tables), tables.table(PUBLISHED)
        if not table.exists():
            return bool(wanted.entries)
        return plan(table.at(), wanted, merge=True) is not None


def is_wanted(tables: ExperimentTables) -> bool:
    """Whether the experiment has a published table, or results that it could have."""
    return tables.table(PUBLISHED).exists() or has_results(tables)


def bring_up_to_date(tables: ExperimentTables, *, merge: bool = False) -> None:
    """Bring the published table to the newest state; if that fails, a warning in the log says so.

    On Windows, where lakebatch only reads, nothing is done.
    """
    if process.IS_WINDOWS:
        return
    with _reported(tables):
        update(tables, merge=merge)


def heal(tables: ExperimentTables, *, dry_run: bool) -> str | None:
    """Return what is wrong with the published table, which has the rows of the dataset afterwards; None if nothing is."""
    table = tables.table(PUBLISHED)
    if not table.exists() or not has_results(tables):
        return None
    with _without_warnings():
        wanted, state = now(tables), table.at()
        found = "; ".join(comparison.differences(state, wanted))
        is_other = not found and (found := comparison.other_values(tables, state, wanted) or "")
        if not dry_run:
            commit(tables, lambda: now(tables), anew=bool(is_other))
    return found or None


def tagged_version(tables: ExperimentTables, tag: Tag) -> int | None:
    """Return the version of the published table with the rows of a tag; None, with a warning, if it cannot be made."""
    if process.IS_WINDOWS:
        return None
    with _reported(tables), _without_warnings():
        return publish(tables, tag) if has_results(tables) else None
    return None


@contextmanager
def _reported(tables: ExperimentTables) -> Iterator[None]:
    try:
        yield
    except (LakebatchError, OSError, ValueError) as error:
        logger.warning(
            "The published table of %s lags behind: %s Bring it up to date with: lakebatch optimize %s --yes",
            *(tables.reference, f"{str(error).rstrip('.')}.", tables.reference),
        )


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out warnings of damage, which are raised as errors instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        yield
