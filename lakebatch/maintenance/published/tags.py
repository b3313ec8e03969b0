"""The published table at tags: a version of it for each, also after the table was removed and made again."""

from __future__ import annotations

from lakebatch.assembly.tables import PUBLISHED, ExperimentTables
from lakebatch.assembly.tags import Tag
from lakebatch.errors import CommitError
from lakebatch.maintenance.published.commits import change_to, check_ours, commit, ensure
from lakebatch.maintenance.published.contents import Wanted
from lakebatch.maintenance.published.plan import plan
from lakebatch.snapshot.pin import pin_tag
from lakebatch.storage.delta import derived
from lakebatch.storage.delta.derived import Change
from lakebatch.storage.delta.replacement import TRANSACTION
from lakebatch.storage.delta.table import Write
from lakebatch.storage.delta.version import TableVersion

ATTEMPTS = 10
"""Attempts to find a version with the rows of a tag while others bring the table to other states."""
FILLED = {"lakebatch.event": "filled"}
"""Metadata of a commit that changes nothing: a tag names the version after it."""


def at(tables: ExperimentTables, tag: Tag) -> Wanted:
    """Return what should be in the published table at a tag."""
    version = tag.assemblies_version
    number = tables.log.table.at().number if version is None else version
    wanted = Wanted(pin_tag(tables, tag), number)
    wanted.check_whole()
    return wanted


def publish(tables: ExperimentTables, tag: Tag) -> int | None:
    """Bring the published table to the state of a tag, and return the version; None if there is nothing to publish.

    Raises
    ------
    CommitError
        If others bring it to other states all the time.
    """
    wanted = at(tables, tag)
    if not wanted.entries and not tables.table(PUBLISHED).exists():
        return None
    table = ensure(tables, wanted)
    replay(tables)
    for _ in range(ATTEMPTS):
        commit(tables, lambda: wanted)
        state = table.at()
        if plan(state, wanted, merge=False) is None:
            return state.number
    raise CommitError(f"Others change {table.uri} all the time. Try again later.")


def replay(tables: ExperimentTables) -> bool:
    """Give a table that was made again the versions that tags name, each with its rows; return whether any lacked."""
    tags = {each.published_version: each for each in tables.tag_log.all() if each.published_version}
    newest = max(tags, default=0)
    table = tables.table(PUBLISHED)

    def write_after(state: TableVersion, last: int) -> Write | None:
        check_ours(state)
        if state.number >= newest:
            return None
        tag = tags.get(state.number + 1)
        rewrite = None if tag is None else plan(state, at(tables, tag), merge=False)
        if rewrite is None:
            return lambda handle: derived.commit(handle, Change((), (), FILLED), last)
        return change_to(tables, state, rewrite, last)

    is_behind = bool(tags) and table.at().number < newest
    while is_behind and table.commit_once(TRANSACTION, write_after):
        pass
    return is_behind
