"""lakebatch's own calls to S3. The only import of boto3."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from lakebatch._text import learn
from lakebatch.errors import ConfigError, StorageError
from lakebatch.storage.place import Place, StoredFile, Validator
from lakebatch.storage.retry import S3_CALLS
from lakebatch.storage.s3_errors import EXISTS, OTHER_ADVICE, PASSING, advice, explain

CONNECT_SECONDS = 4
RESPONSE_SECONDS = 4
READERS = 16
"""Number of objects that are read at once."""
MAX_REMOVALS = 1000
"""Upper bound of S3 for the objects that one request removes."""
QUERY = re.compile(r"\?[^\s\"]*")
PROBE = b"Written by lakebatch to see whether it may write here. It can be deleted."


class Bucket(Place):
    """A prefix in an S3 bucket, with the settings to reach it."""

    is_local = False

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        parts = urlsplit(uri)
        prefix = parts.path.strip("/")
        self.uri = uri
        self.name = parts.netloc
        self.prefix = f"{prefix}/" if prefix else ""
        self._options = options

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
        answer = self._call("list", lambda client: client.list_objects_v2(**which))
        found = {each["Key"].removeprefix(below): each for each in answer.get("Contents", [])}
        if unless in found or name not in found:
            return None
        return found[name]["ETag"], str(found[name]["LastModified"])

    def read(self, path: str) -> bytes:
        """Return the content of an object."""
        key = f"{self.prefix}{path}"
        return bytes(
            self._call(
                "read from", lambda client: client.get_object(Bucket=self.name, Key=key)["Body"].read()
            )
        )

    def write(self, path: str, content: bytes) -> None:
        """Write an object."""
        one = {"Bucket": self.name, "Key": f"{self.prefix}{path}"}
        self._call("write to", lambda client: client.put_object(**one, Body=content))

    def remove(self, path: str) -> None:
        """Remove an object, if it exists."""
        one = {"Bucket": self.name, "Key": f"{self.prefix}{path}"}
        self._call("delete from", lambda client: client.delete_object(**one))

    def remove_each(self, paths: Iterable[str]) -> None:
        """Remove the objects that exist, many in one request."""
        keys = [{"Key": f"{self.prefix}{path}"} for path in paths]
        for first in range(0, len(keys), MAX_REMOVALS):
            batch = {"Objects": keys[first : first + MAX_REMOVALS], "Quiet": True}
            self._remove_batch(batch)

    def _remove_batch(self, batch: Mapping[str, Any]) -> None:
        which = {"Bucket": self.name, "Delete": batch}
        answer = self._call("delete from", lambda client: client.delete_objects(**which))
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
        with ThreadPoolExecutor(READERS) as readers:
            yield from readers.map(self._read_or_error, paths)

    def creates_only_once(self, name: str) -> bool:
        """Whether the second of two requests that create the same object is refused."""
        one = {"Bucket": self.name, "Key": f"{self.prefix}{name}"}
        self._call("write to", lambda client: client.put_object(**one, Body=PROBE))
        try:
            return self._refuses_to_overwrite(one)
        finally:
            with suppress(StorageError):
                self._call("delete from", lambda client: client.delete_object(**one))

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
        for experiment in sorted({folder.partition("/")[0] for folder in folders}):
            self._check_key(f"{experiment}/.lakebatch-write-check", f"write to {experiment} in")

    def _check_key(self, path: str, action: str) -> None:
        one = {"Bucket": self.name, "Key": f"{self.prefix}{path}"}
        self._call(action, lambda client: client.put_object(**one, Body=PROBE))
        with suppress(StorageError):  # a run needs no right to delete
            self._call("delete from", lambda client: client.delete_object(**one))

    def check_writable(self) -> None:
        """Raise `StorageError` unless objects can be listed, read and written here, and are created only once."""
        one = {"Bucket": self.name, "Key": f"{self.prefix}.lakebatch-write-check-{uuid.uuid4().hex}"}
        listed = {"Bucket": self.name, "Prefix": self.prefix, "MaxKeys": 1}
        self._call("list", lambda client: client.list_objects_v2(**listed))
        self._call("write to", lambda client: client.put_object(**one, Body=PROBE))
        try:
            self._call("read from", lambda client: client.get_object(**one)["Body"].read())
            self._check_exclusive(one)
        finally:
            with suppress(StorageError):  # a run needs no right to delete
                self._call("delete from", lambda client: client.delete_object(**one))

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
            self._call("write to", lambda client: client.put_object(**one, Body=PROBE, IfNoneMatch="*"))
        except _ExistsError:
            return True
        return False

    def _pages(self, **which: str) -> list[Any]:
        def list_all(client: Any) -> list[Any]:
            return list(client.get_paginator("list_objects_v2").paginate(Bucket=self.name, **which))

        found: list[Any] = self._call("list", list_all)
        return found

    def _call(self, action: str, call: Callable[[Any], Any]) -> Any:
        """Return the answer of a call, repeated after errors that may pass; any other error is one line."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        errors = (BotoCoreError, ClientError, ResponseParserError)
        try:
            return S3_CALLS.call(lambda: call(self._client), errors, _is_transient)
        except errors as error:
            raise self._fault(action, error) from error

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        try:
            return boto3.client(
                "s3",
                endpoint_url=self._options.get("AWS_ENDPOINT_URL"),
                aws_access_key_id=self._options.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=self._options.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=self._options.get("AWS_SESSION_TOKEN"),
                region_name=self._options.get("AWS_REGION"),
                config=Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=RESPONSE_SECONDS,
                    max_pool_connections=READERS,
                    retries={"total_max_attempts": 1},
                ),
            )
        except ValueError as error:
            raise ConfigError(
                f"Cannot reach the lake {self.uri}: {_one_line(error)}. Set S3_ENDPOINT to http(s)://host[:port]."
            ) from error

    def _fault(self, action: str, error: Exception) -> StorageError:
        from botocore import exceptions

        if isinstance(error, exceptions.ClientError):
            code = _code(error)
            kind = _ExistsError if code in EXISTS else StorageError
            return kind(f"Cannot {action} the lake {self.uri}: S3 says {code}. {advice(code)}")
        what, to_do = _one_line(error), OTHER_ADVICE
        if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
            to_do = "Check S3_ENDPOINT and the network."
        elif isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            to_do = "Set S3_ACCESS_KEY and S3_SECRET_KEY."
        elif isinstance(error, exceptions.ParamValidationError):
            what = f"{self.name!r} cannot be the name of a bucket"
            to_do = "Correct it in --lake or S3_BUCKET_NAME."
        return StorageError(f"Cannot {action} the lake {self.uri}: {what}. {to_do}")


def stored_keys() -> dict[str, str]:
    """Return the keys that boto3 finds outside of the environment, such as in ~/.aws; none if there are none."""
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session().get_credentials()
        keys = found.get_frozen_credentials() if found else None
    except BotoCoreError:
        return {}  # the first call raises the same error
    if keys is None:
        return {}
    named = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token,
    }
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        learn(name, named[name] or "")
    return {name: value for name, value in named.items() if value}


class _ExistsError(StorageError):
    """The object that was to be created exists."""


def _is_transient(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or _code(error) in PASSING
    return isinstance(error, ConnectionError | HTTPClientError) or not isinstance(error, BotoCoreError)


def _answered_at(answer: Mapping[str, Any]) -> datetime:
    """Return the time of an answer by the clock of S3; by that of this machine if the answer has no date."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        at = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code") or "nothing")


def _one_line(error: Exception) -> str:
    return QUERY.sub("", " ".join(str(error).split())).rstrip(".")
