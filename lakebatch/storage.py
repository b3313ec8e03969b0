"""Where a lake is: its URI, the settings that reach it, and the folders in it."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lakebatch.errors import ConfigError, StorageError

SETTINGS = {
    "AWS_ENDPOINT_URL": ("S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "AWS_ACCESS_KEY_ID": ("S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    "AWS_SECRET_ACCESS_KEY": ("S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"),
    "AWS_SESSION_TOKEN": ("AWS_SESSION_TOKEN",),
    "AWS_REGION": ("S3_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"),
}
BUCKET_NAMES = ("S3_BUCKET_NAME", "AWS_BUCKET_NAME")
DEFAULT_LAKE = "lake"
PROJECT_FILE = "lakebatch.toml"
UNUSABLE = re.compile(r"[=%*?\\^|\[\]\x00-\x1f]")
"""What an engine below would misread in a path: '=' as a partition, '%' as an escape, '*' as a pattern."""


@dataclass(frozen=True)
class StoredFile:
    """A file: its name, its size in bytes and when it was last written."""

    name: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Storage:
    """A place for tables: a local folder or a prefix on S3, with the settings to reach it.

    The settings can hold secrets and are therefore never shown.
    """

    uri: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_s3(self) -> bool:
        """Whether the lake is on S3."""
        return self.uri.startswith("s3://")

    def join(self, *names: str) -> str:
        """Return the URI of something in the lake."""
        return "/".join([self.uri.rstrip("/"), *names])

    def folders(self) -> list[str]:
        """Return the names of the folders directly in the lake, sorted; none if it does not exist yet."""
        return _s3_folders(self) if self.is_s3 else _local_folders(Path(self.uri))

    def files(self) -> list[StoredFile]:
        """Return the files directly in this place, sorted by name.

        Raises
        ------
        StorageError
            If there is no such place, or it cannot be read.
        """
        return _s3_files(self) if self.is_s3 else _local_files(Path(self.uri))

    def read(self, name: str) -> bytes:
        """Return the content of a file directly in this place."""
        return _s3_read(self, name) if self.is_s3 else _local_read(Path(self.uri) / name)

    def check_writable(self) -> None:
        """Raise `StorageError` unless files can be created here."""
        if self.is_s3:
            _check_bucket(self)
        else:
            _check_folder(Path(self.uri))


def locate(
    lake: str | os.PathLike[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Storage:
    """Return where the lake is.

    The first that is set of: the argument, ``LAKEBATCH_LAKE``, ``lake`` in ``lakebatch.toml``, the S3
    settings of the environment, ``./lake``.
    """
    uri = (
        (os.fspath(lake) if lake is not None else "")
        or environment.get("LAKEBATCH_LAKE", "")
        or _project_lake()
        or _environment_lake(environment)
        or DEFAULT_LAKE
    )
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme in ("", "file"):
        path = Path(unquote(urlsplit(uri).path) if scheme else uri).expanduser()
        return Storage(_check_path(str(path.absolute())))
    if scheme in ("s3", "s3a"):
        return Storage(_check_path(_s3_uri(uri)), s3_options(environment))
    raise ConfigError(f"Cannot open a lake at {uri!r}. Expected a folder or s3://bucket/prefix.")


def s3_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the storage options that the environment sets for S3."""
    options = {}
    for option, names in SETTINGS.items():
        value = next((environment[name] for name in names if environment.get(name)), None)
        if value:
            options[option] = value
    if options.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
    if "AWS_ENDPOINT_URL" in options:
        options.setdefault("AWS_REGION", "us-east-1")
    return options


def _check_path(uri: str) -> str:
    if found := UNUSABLE.search(uri):
        raise ConfigError(
            f"Cannot open a lake at {uri!r}: {found[0]!r} in its path. Expected a path without any of = % * ? \\ ^ | [ ]."
        )
    return uri


def _project_lake() -> str:
    file = Path(PROJECT_FILE)
    if not file.is_file():
        return ""
    try:
        lake = tomllib.loads(file.read_text(encoding="utf-8")).get("lake", "")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {file.absolute()}: {error}. Expected TOML.") from error
    if not isinstance(lake, str):
        raise ConfigError(
            f"'lake' in {file.absolute()} is {lake!r}. Expected a folder or s3://bucket/prefix."
        )
    return lake


def _environment_lake(environment: Mapping[str, str]) -> str:
    bucket = next((environment[name] for name in BUCKET_NAMES if environment.get(name)), "")
    prefix = environment.get("SAVE_RESULT_PATH", "").strip("/")
    return f"s3://{bucket}/{prefix}".rstrip("/") if bucket else ""


def _s3_uri(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.username or parts.password:
        raise ConfigError(
            "A lake's URI must not hold credentials. Set S3_ACCESS_KEY and S3_SECRET_KEY instead."
        )
    if parts.query or parts.fragment:
        raise ConfigError(
            f"Cannot open a lake at {uri!r}: '?' or '#' in its path. Expected s3://bucket/prefix."
        )
    if not parts.netloc:
        raise ConfigError(f"Cannot open a lake at {uri!r}: no bucket. Expected s3://bucket/prefix.")
    return f"s3://{parts.netloc}{parts.path}".rstrip("/")


def _local_folders(path: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in path.iterdir() if entry.is_dir()) if path.exists() else []
    except OSError as error:
        raise StorageError(
            f"Cannot read the lake {path}: {error.strerror}. Expected a readable folder."
        ) from error


def _local_files(path: Path) -> list[StoredFile]:
    try:
        found = [(entry.name, entry.stat()) for entry in path.iterdir() if entry.is_file()]
    except OSError as error:
        raise StorageError(
            f"Cannot read the folder {path}: {error.strerror}. Expected a folder that can be read."
        ) from error
    return sorted(
        (StoredFile(name, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)) for name, stat in found),
        key=lambda file: file.name,
    )


def _local_read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"Cannot read {path}: {error.strerror}.") from error


def _check_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"lakebatch")
            probe.flush()
    except OSError as error:
        raise StorageError(
            f"Cannot write to the lake {path}: {error.strerror}. Free or unlock the folder, or name another with --lake."
        ) from error


def _client(storage: Storage) -> Any:
    import boto3

    options = storage.options
    return boto3.client(
        "s3",
        endpoint_url=options.get("AWS_ENDPOINT_URL"),
        aws_access_key_id=options.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=options.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=options.get("AWS_SESSION_TOKEN"),
        region_name=options.get("AWS_REGION"),
    )


def _bucket_and_prefix(storage: Storage) -> tuple[str, str]:
    parts = urlsplit(storage.uri)
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""


def _s3_folders(storage: Storage) -> list[str]:
    bucket, prefix = _bucket_and_prefix(storage)
    pages = _s3_call(
        storage,
        lambda s3: list(
            s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        ),
    )
    found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    return sorted(name.removeprefix(prefix).rstrip("/") for name in found)


def _s3_files(storage: Storage) -> list[StoredFile]:
    bucket, prefix = _bucket_and_prefix(storage)
    pages = _s3_call(
        storage,
        lambda s3: list(
            s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        ),
    )
    found = [entry for page in pages for entry in page.get("Contents", []) if entry["Key"] != prefix]
    return [
        StoredFile(entry["Key"].removeprefix(prefix), int(entry["Size"]), entry["LastModified"])
        for entry in found
    ]


def _s3_read(storage: Storage, name: str) -> bytes:
    bucket, prefix = _bucket_and_prefix(storage)
    return bytes(_s3_call(storage, lambda s3: s3.get_object(Bucket=bucket, Key=prefix + name)["Body"].read()))


def _check_bucket(storage: Storage) -> None:
    bucket, prefix = _bucket_and_prefix(storage)
    key = f"{prefix}.lakebatch-write-check"
    _s3_call(storage, lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=b"lakebatch"))
    _s3_call(storage, lambda s3: s3.delete_object(Bucket=bucket, Key=key))


def _s3_call(storage: Storage, call: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call(_client(storage))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown error")
        raise StorageError(f"Cannot use the lake {storage.uri}: S3 says {code}. {_advice(code)}") from error
    except BotoCoreError as error:
        raise StorageError(
            f"Cannot reach the lake {storage.uri}: {error}. Check S3_ENDPOINT and the keys."
        ) from error


def _advice(code: str) -> str:
    if code in ("NoSuchBucket", "404"):
        return "Create the bucket, or correct its name in --lake or S3_BUCKET_NAME."
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "403"):
        return "Check S3_ACCESS_KEY and S3_SECRET_KEY."
    if code == "AccessDenied":
        return "Ask for the right to list, read and write in this bucket, or check the keys."
    if code in ("ExpiredToken", "InvalidToken", "TokenRefreshRequired"):
        return "Renew AWS_SESSION_TOKEN."
    return "Check the endpoint, the bucket and the keys."
