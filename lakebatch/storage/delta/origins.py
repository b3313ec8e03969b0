"""The origins of a table's files, read from its log, and the note in its folder that saves reading all of it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lakebatch.errors import DamageWarning, StorageError, warn
from lakebatch.ids import ExperimentName
from lakebatch.storage import Storage
from lakebatch.storage.delta.foreign import OriginFile, Origins, describe
from lakebatch.storage.delta.log import FOLDER, Entry, entry_name, parse
from lakebatch.storage.delta.log_files import LogFiles
from lakebatch.storage.delta.own_view import OwnView

logger = logging.getLogger(__name__)

NOTE = "_lakebatch_origins.json"
"""Name of the note in a table's folder; engines and folder readers skip names that begin with an underscore."""
# An entry without this brings no file and takes none out
FILE_ACTIONS = (b'"add"', b'"remove"')
KINDS = ("brought", "mixed", "taken")


class OriginReader:
    """The origins of the files of one table; each entry of the log is read once.

    A process begins at the note that the last writer left at a checkpoint. The note names the hash of the entry that it
    was made at, so that one of another log is not believed.
    """

    def __init__(self, storage: Storage, table: str, fetched: LogFiles) -> None:
        self._storage = storage
        self._table = table
        self._fetched = fetched
        self._origins: Origins | None = None

    def upto(self, version: int) -> Origins:
        """Return the origins of all files up to a version, or a later one."""
        if self._origins is None:
            self._origins = self._noted(version) or Origins()
        if self._origins.version < version:
            self._origins = self._followed(self._origins, version)
        return self._origins

    def _followed(self, known: Origins, version: int) -> Origins:
        """Return the origins after the entries since a version; where one matters, after all entries."""
        for entry in self._entries(known.version + 1, version):
            if known.changes_with(entry):
                return replace(OwnView(self._entries(0, version)).origins, version=version)
        return replace(known, version=version)

    def _entries(self, first: int, last: int) -> Iterator[Entry]:
        """Yield the readable ones of some entries; what is lost is named elsewhere."""
        versions = range(first, last + 1)
        for version, content in zip(versions, self._contents(versions), strict=True):
            if any(action in content for action in FILE_ACTIONS):
                try:
                    yield Entry(version, tuple(parse(content)))
                except ValueError:
                    continue

    def _contents(self, versions: Sequence[int]) -> Iterator[bytes]:
        names = [entry_name(each) for each in versions]
        contents = self._fetched.read(self._storage, f"{self._table}/{FOLDER}", names)
        return (b"" if isinstance(each, StorageError) else each for each in contents)

    def _noted(self, version: int) -> Origins | None:
        """Return what the note says; None without one, and for one of another log or a later version."""
        try:
            (content,) = self._storage.read_each([f"{self._table}/{NOTE}"])
            if isinstance(content, StorageError):
                return None
            noted = json.loads(content)
            found = Origins(
                int(noted["version"]),
                *({each["path"]: OriginFile(**each) for each in noted[kind]} for kind in KINDS),
            )
            is_believed = found.version <= version and noted["entry"] == self._hash_of(found.version)
            return found if is_believed else None
        except (ValueError, KeyError, TypeError):
            return None

    def _hash_of(self, version: int) -> str:
        (content,) = self._contents([version])
        return hashlib.sha256(content).hexdigest()

    def write_note(self, version: int) -> None:
        """Write the note, so that later processes begin at a version; without it they read more of the log."""
        try:
            found = self.upto(version)
            noted = {"version": found.version, "entry": self._hash_of(found.version)}
            noted |= {kind: [each._asdict() for each in getattr(found, kind).values()] for kind in KINDS}
            self._storage.write(f"{self._table}/{NOTE}", json.dumps(noted).encode())
        except StorageError as error:
            logger.info("no note of origins for %s: %s", self._table, error)

    def warn(self, origins: Origins, active: set[str], version: int) -> None:
        """Warn of what other programs brought and took out by a version; of brought files, of those that are still there."""
        for what in describe(self._storage.join(self._table), origins, active, version):
            name = ExperimentName.parse(self._table.partition("/")[0])
            warn(
                f"{what}. See: lakebatch doctor {name}; mend it with: lakebatch repair {name}", DamageWarning
            )
