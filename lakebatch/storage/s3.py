"""A lake on S3: what lakebatch itself lists, reads and writes there."""

from __future__ import annotations

import copy
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lakebatch.errors import StorageError
from lakebatch.storage.place import ObjectStore, StoredFile, Validator
from lakebatch.storage.s3_client import MAX_CONNECTIONS, AbsentError, Client, ExistsError
from lakebatch.storage.s3_errors import advice, explain

MULTIPART_BYTES = 32 << 20
"""Size from which on an object is written in several requests."""
PIECE_BYTES = 16 << 20
UPLOADERS = 4
"""Number of pieces of an object that are written at once."""
MAX_REMOVALS = 1000
"""Upper bound of S3 for the objects that one request removes."""
PROBE = b"Written by lakebatch to see whether it may write here. It can be deleted."


class Bucket(ObjectStore):
    """A prefix in an S3 bucket, with the settings to reach it."""

    is_local = False

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        parts = urlsplit(uri)
        prefix = parts.path.strip("/")
        self.uri = uri
        self.name = parts.netloc
        self.prefix = f"{prefix}/" if prefix else ""
        self._client = Client(uri, self.name, options)
        self._writable: set[str] = set()

    def for_table(self, path: str) -> Bucket:
        """Return the same bucket for calls about a table, which wait for S3 as long as a run does, and name the table."""
        other = copy.copy(self)
        other._client = self._client.patient(f"{self.uri.rstrip('/')}/{path}")
        return other

    def folders(self, below: str = "") -> list[str]:
        """Return the names of the folders directly under the prefix, or in a folder of it; sorted."""
        prefix = f"{self.prefix}{below}/" if below else self.prefix
        pages = self._pages(Prefix=prefix, Delimiter="/")
        found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        return sorted(name.removeprefix(prefix).rstrip("/") for name in found)

    def files(self, folder: str) -> list[StoredFile]:
        """Return every object below a folder of the prefix, by path."""
        below = f"{self.prefix}{folder}/" if folder else self.prefix
        found = [entry for page in self._pages(Prefix=below) for entry in page.get("Contents", [])]
        files = [
            StoredFile(each["Key"].removeprefix(below), each["Size"], each["LastModified"]) for each in found
        ]
        return sorted(files, key=lambda each: each.path)

    def validator(self, folder: str, name: str, unless: str) -> Validator | None:
        """Return the validator of an object; None without it, or with the object ``unless``. One request tells both."""
        below = f"{self.prefix}{folder}/"
        which = {"Bucket": self.name, "Prefix": below, "StartAfter": f"{below}{name[:-1]}", "MaxKeys": 2}
        answer = self._client.call("list", lambda client: client.list_objects_v2(**which))
        found = {each["Key"].removeprefix(below): each for each in answer.get("Contents", [])}
        if unless in found or name not in found:
            return None
        return (str(found[name]["ETag"]),)

    def tags(self, folder: str, after: str = "", limit: int | None = None) -> dict[str, str]:
        """Return the ETag of each object below a folder whose path in it comes after another; at most ``limit``."""
        below = f"{self.prefix}{folder}/"
        which = {"Prefix": below} | ({"StartAfter": f"{below}{after}"} if after else {})
        pages = self._pages(limit, **which)
        return {
            each["Key"].removeprefix(below): str(each["ETag"])
            for page in pages
            for each in page.get("Contents", [])
        }

    def find(self, path: str) -> bytes | None:
        """Return the content of an object, None without it."""
        try:
            return self.read(path)
        except AbsentError:
            return None

    def read(self, path: str) -> bytes:
        """Return the content of an object."""
        key = f"{self.prefix}{path}"
        return bytes(
            self._client.call(
                "read from", lambda client: client.get_object(Bucket=self.name, Key=key)["Body"].read()
            )
        )

    def write(self, path: str, content: bytes) -> None:
        """Write an object."""
        one = {"Bucket": self.name, "Key": f"{self.prefix}{path}"}
        self._client.call("write to", lambda client: client.put_object(**one, Body=content))

    def upload(self, path: str, file: Path) -> None:
        """Write an object with the content of a file of this machine; a large one in several requests."""
        one = {"Bucket": self.name, "Key": f"{self.prefix}{path}"}
        if file.stat().st_size < MULTIPART_BYTES:
            content = file.read_bytes()
            self._client.call("write to", lambda client: client.put_object(**one, Body=content))
        else:
            self._upload_pieces(one, file)

    def _upload_pieces(self, one: Mapping[str, str], file: Path) -> None:
        """Write an object piece by piece, so that a lost connection costs one piece."""
        begun = self._client.call("write to", lambda client: client.create_multipart_upload(**one))
        upload = {**one, "UploadId": begun["UploadId"]}

        def upload_piece(number: int) -> dict[str, object]:
            with file.open("rb") as content:
                content.seek((number - 1) * PIECE_BYTES)
                piece = content.read(PIECE_BYTES)
            which = {**upload, "PartNumber": number, "Body": piece}
            answer = self._client.call("write to", lambda client: client.upload_part(**which))
            return {"PartNumber": number, "ETag": answer["ETag"]}

        try:
            with ThreadPoolExecutor(UPLOADERS) as uploaders:
                count = math.ceil(file.stat().st_size / PIECE_BYTES)
                pieces = {"Parts": list(uploaders.map(upload_piece, range(1, count + 1)))}
            self._complete(upload, pieces, file.stat().st_size)
        except BaseException:
            with suppress(StorageError):
                self._client.call("write to", lambda client: client.abort_multipart_upload(**upload))
            raise

    def _complete(self, upload: Mapping[str, Any], pieces: Mapping[str, Any], size: int) -> None:
        """Put the pieces of an object together; if the answer is lost, its size tells that it was done."""
        which = {**upload, "MultipartUpload": pieces}
        try:
            self._client.call("write to", lambda client: client.complete_multipart_upload(**which))
        except StorageError:
            (page,) = self._pages(1, Prefix=upload["Key"])
            if [each["Size"] for each in page.get("Contents", ())] != [size]:
                raise

    def create(self, path: str, content: bytes) -> str | None:
        """Create an object, and return its ETag; None if another process has created it.

        Where an answer was lost, the content of the object tells who has created it, and its ETag, unknown, is empty.
        """
        requests = 0

        def create(client: Any) -> Any:
            nonlocal requests
            requests += 1
            which = {"Bucket": self.name, "Key": f"{self.prefix}{path}", "Body": content}
            return client.put_object(**which, IfNoneMatch="*")

        try:
            return str(self._client.call("write to", create)["ETag"])
        except ExistsError:
            return "" if requests > 1 and self.find(path) == content else None

    def remove(self, path: str) -> None:
        """Remove an object, if it exists."""
        one = {"Bucket": self.name, "Key": f"{self.prefix}{path}"}
        self._client.call("delete from", lambda client: client.delete_object(**one))

    def remove_each(self, paths: Iterable[str]) -> None:
        """Remove the objects that exist, many in one request."""
        keys = [{"Key": f"{self.prefix}{path}"} for path in paths]
        for first in range(0, len(keys), MAX_REMOVALS):
            batch = {"Objects": keys[first : first + MAX_REMOVALS], "Quiet": True}
            self._remove_batch(batch)

    def _remove_batch(self, batch: Mapping[str, Any]) -> None:
        which = {"Bucket": self.name, "Delete": batch}
        answer = self._client.call("delete from", lambda client: client.delete_objects(**which))
        for error in answer.get("Errors", []):
            raise StorageError(
                f"Cannot delete from the lake {self.uri}: S3 says {error['Code']} of {error['Key']}. {advice(error['Code'])}"
            )

    def renew(self, path: str, content: bytes) -> None:
        """Write a small object."""
        self.write(path, content)

    def ages(self, folder: str) -> dict[str, float]:
        """Return the age in seconds of each object below a folder, by the clock of S3."""
        below = f"{self.prefix}{folder}/"
        return {
            each["Key"].removeprefix(below): (_answered_at(page) - each["LastModified"]).total_seconds()
            for page in self._pages(Prefix=below)
            for each in page.get("Contents", [])
        }

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | StorageError]:
        """Yield the content of each object, or the error that kept it from being read, in the order of the paths."""
        with ThreadPoolExecutor(MAX_CONNECTIONS) as readers:
            yield from readers.map(self._read_or_error, paths)

    def creates_only_once(self, name: str) -> bool:
        """Whether the second of two requests that create the same object is refused."""
        one = {"Bucket": self.name, "Key": f"{self.prefix}{name}"}
        self._client.call("write to", lambda client: client.put_object(**one, Body=PROBE))
        try:
            return self._refuses_to_overwrite(one)
        finally:
            with suppress(StorageError):
                self._client.call("delete from", lambda client: client.delete_object(**one))

    def explain(self, message: str) -> str | None:
        """Return the reason and the advice for an engine's error about S3; None if the message is about another thing."""
        return explain(message)

    def check_space(self, needed: int) -> None:
        """Do nothing: S3 does not tell the free space of a bucket."""

    def locked(self, folder: str, *, for_writing: bool) -> list[str]:
        """Return nothing: rights on an object show only when it is used."""
        return []

    def make_folder(self, folder: str) -> None:
        """Do nothing: a bucket has no folders."""

    def check_folders(self, folders: Iterable[str]) -> None:
        """Raise `StorageError` unless the experiments of some folders are writable; rights are not given per table."""
        experiments = {folder.partition("/")[0] for folder in folders}
        for experiment in sorted(experiments - self._writable):
            self._check_key(f"{experiment}/.lakebatch-write-check", f"write to {experiment} in")

    def _check_key(self, path: str, action: str) -> None:
        one = {"Bucket": self.name, "Key": f"{self.prefix}{path}"}
        self._client.call(action, lambda client: client.put_object(**one, Body=PROBE))
        with suppress(StorageError):  # a run needs no right to delete
            self._client.call("delete from", lambda client: client.delete_object(**one))

    def check_writable(self, folder: str = "") -> None:
        """Raise `StorageError` unless objects can be listed, read and written in a folder, and are created only once."""
        name = f"{folder}/.lakebatch-write-check-{uuid.uuid4().hex}".lstrip("/")
        one = {"Bucket": self.name, "Key": f"{self.prefix}{name}"}
        listed = {"Bucket": self.name, "Prefix": self.prefix, "MaxKeys": 1}
        self._client.call("list", lambda client: client.list_objects_v2(**listed))
        self._client.call(
            f"write to {folder} in" if folder else "write to",
            lambda client: client.put_object(**one, Body=PROBE),
        )
        try:
            self._client.call("read from", lambda client: client.get_object(**one)["Body"].read())
            self._check_exclusive(one)
            self._writable.add(folder)
        finally:
            with suppress(StorageError):  # a run needs no right to delete
                self._client.call("delete from", lambda client: client.delete_object(**one))

    def _read_or_error(self, path: str) -> bytes | StorageError:
        try:
            return self.read(path)
        except StorageError as error:
            return error

    def _check_exclusive(self, one: Mapping[str, str]) -> None:
        """Raise unless S3 refuses to overwrite an object on request: this alone gives a commit one winner."""
        if not self._refuses_to_overwrite(one):
            raise StorageError(
                f"Cannot write to the lake {self.uri}: S3 there ignores 'If-None-Match: *', so two runs could "
                "overwrite each other's commits. Use a server with conditional writes, such as AWS, Ceph or MinIO."
            )

    def _refuses_to_overwrite(self, one: Mapping[str, str]) -> bool:
        try:
            self._client.call(
                "write to", lambda client: client.put_object(**one, Body=PROBE, IfNoneMatch="*")
            )
        except ExistsError:
            return True
        return False

    def _pages(self, limit: int | None = None, **which: str) -> list[Any]:
        def list_all(client: Any) -> list[Any]:
            if limit is not None:
                return [client.list_objects_v2(Bucket=self.name, MaxKeys=limit, **which)]
            return list(client.get_paginator("list_objects_v2").paginate(Bucket=self.name, **which))

        found: list[Any] = self._client.call("list", list_all)
        return found


def _answered_at(answer: Mapping[str, Any]) -> datetime:
    """Return the time of an answer by the clock of S3; by that of this machine if the answer has no date."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        at = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
