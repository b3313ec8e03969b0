"""The files of logs on S3 that a process has fetched: an entry never changes, so each is fetched once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lakebatch.errors import StorageError
from lakebatch.storage import Storage
from lakebatch.storage.place import ObjectStore


class LogFiles:
    """The files of the logs of a lake on S3 that this process has fetched, by path, each with its ETag.

    Several threads may use it: no dictionary in it is changed, each is replaced.
    """

    def __init__(self) -> None:
        self._files: dict[str, dict[str, tuple[str, bytes]]] = {}

    def fetch(self, objects: ObjectStore, log: str, listed: Mapping[str, str]) -> dict[str, bytes]:
        """Return files of a log by name, given their ETags, and forget all others of it."""
        known = self._files.get(log, {})
        absent = [name for name, tag in listed.items() if known.get(name, ("", b""))[0] != tag]
        contents = objects.read_each(f"{log}/{name}" for name in absent)
        fetched = {name: (listed[name], checked(each)) for name, each in zip(absent, contents, strict=True)}
        self._files[log] = files = {name: known[name] for name in known.keys() & listed.keys()} | fetched
        return {name: files[name][1] for name in listed}

    def keep(self, log: str, name: str, tag: str, content: bytes) -> None:
        """Keep a file that this process has written."""
        self._files[log] = {**self._files.get(log, {}), name: (tag, content)}

    def tag(self, log: str, name: str) -> str | None:
        """Return the ETag of a file that was fetched; None if it is unknown."""
        return self._files.get(log, {}).get(name, ("", b""))[0] or None

    def read(self, storage: Storage, log: str, names: Sequence[str]) -> Iterator[bytes | StorageError]:
        """Yield the contents of entries, those that were not fetched from the lake; see `Storage.read_each`."""
        known = self._files.get(log, {})
        absent = [name for name in names if name not in known]
        read = storage.read_each(f"{log}/{name}" for name in absent)
        for name in names:
            yield known[name][1] if name in known else next(read)


def checked(content: bytes | StorageError) -> bytes:
    """Return a content that was read; raise the error that was read in its place."""
    if isinstance(content, StorageError):
        raise content
    return content
