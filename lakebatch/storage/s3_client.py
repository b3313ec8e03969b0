"""Requests to one bucket on S3: repeated while their failure may pass, and each error in one line. The only use of boto3."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from lakebatch._text import learn
from lakebatch.errors import ConfigError, StorageError
from lakebatch.storage.retry import READS, S3_CALLS
from lakebatch.storage.s3_errors import ABSENT, EXISTS, OTHER_ADVICE, PASSING, advice

CONNECT_SECONDS = 4
RESPONSE_SECONDS = 4
MAX_CONNECTIONS = 16
"""Number of requests that are under way at once."""
QUERY = re.compile(r"\?[^\s\"]*")


class ExistsError(StorageError):
    """The object that was to be created exists."""


class AbsentError(StorageError):
    """The object that was to be read does not exist."""


class Client:
    """Calls of one bucket.

    Attributes
    ----------
    label : str
        What errors say they are about.
    """

    def __init__(self, uri: str, name: str, options: Mapping[str, str]) -> None:
        self._uri = uri
        self._name = name
        self._options = options
        self._policy = S3_CALLS
        self.label = f"the lake {uri}"

    def patient(self, label: str) -> Client:
        """Return a client with the same connections that waits for S3 as long as a run does, for calls about one thing."""
        other = copy.copy(self)
        other._policy, other.label = READS, label
        vars(other)["_connections"] = self._connections
        return other

    def call(self, action: str, call: Callable[[Any], Any]) -> Any:
        """Return the answer of a call, repeated after errors that may pass; any other error is one line."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        errors = (BotoCoreError, ClientError, ResponseParserError)
        try:
            return self._policy.call(lambda: call(self._connections), errors, _is_transient)
        except errors as error:
            raise self._fault(action, error) from error

    @cached_property
    def _connections(self) -> Any:
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
                    max_pool_connections=MAX_CONNECTIONS,
                    retries={"total_max_attempts": 1},
                ),
            )
        except ValueError as error:
            raise ConfigError(
                f"Cannot reach the lake {self._uri}: {_one_line(error)}. Set S3_ENDPOINT to http(s)://host[:port]."
            ) from error

    def _fault(self, action: str, error: Exception) -> StorageError:
        from botocore import exceptions

        if isinstance(error, exceptions.ClientError):
            code = _code(error)
            kind = ExistsError if code in EXISTS else AbsentError if code in ABSENT else StorageError
            return kind(f"Cannot {action} {self.label}: S3 says {code}. {advice(code)}")
        what, to_do = _one_line(error), OTHER_ADVICE
        if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
            to_do = "Check S3_ENDPOINT and the network."
        elif isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            to_do = "Set S3_ACCESS_KEY and S3_SECRET_KEY."
        elif isinstance(error, exceptions.ParamValidationError):
            what = f"{self._name!r} cannot be the name of a bucket"
            to_do = "Correct it in --lake or S3_BUCKET_NAME."
        return StorageError(f"Cannot {action} {self.label}: {what}. {to_do}")


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


def _is_transient(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or _code(error) in PASSING
    return isinstance(error, ConnectionError | HTTPClientError) or not isinstance(error, BotoCoreError)


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code") or "nothing")


def _one_line(error: Exception) -> str:
    return QUERY.sub("", " ".join(str(error).split())).rstrip(".")
