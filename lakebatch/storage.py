"""Where a lake is: its URI, the settings that reach it, and the folders in it."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lakebatch.errors import ConfigError, StorageError
from lakebatch.s3 import Bucket, stored_keys

SETTINGS = {
    "AWS_ENDPOINT_URL": ("S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "AWS_ACCESS_KEY_ID": ("S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    "AWS_SECRET_ACCESS_KEY": ("S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"),
    "AWS_SESSION_TOKEN": ("AWS_SESSION_TOKEN",),
    "AWS_REGION": ("S3_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"),
}
BUCKET_NAMES = ("S3_BUCKET_NAME", "AWS_BUCKET_NAME")
ENGINE_PATIENCE = {"retry_timeout": "30s"}
"""How long the engine itself repeats one request; its default of three minutes would not hear Ctrl-C for as long."""
DEFAULT_LAKE = "lake"
PROJECT_FILE = "lakebatch.toml"
UNUSABLE = re.compile(r"[=%*?\\^|\[\]\x00-\x1f]")
"""What an engine below would misread in a path: '=' as a partition, '%' as an escape, '*' as a pattern."""


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
        if self.is_s3:
            return Bucket(self.uri, self.options).folders()
        return _local_folders(Path(self.uri))

    def files(self, *names: str) -> dict[str, int]:
        """Return the size in bytes of every file below a folder of the lake, by its path from there."""
        if self.is_s3:
            return Bucket(self.uri, self.options).files("/".join(names))
        return _local_files(Path(self.join(*names)))

    def check_writable(self) -> None:
        """Raise `StorageError` unless a run can use this place: read, write and, on S3, be refused what is taken."""
        if self.is_s3:
            Bucket(self.uri, self.options).check_writable()
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
        return Storage(_check_path(_s3_uri(uri)), _engine_options(environment))
    raise ConfigError(f"Cannot open a lake at {uri!r}. Expected a folder or s3://bucket/prefix.")


def _engine_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options for S3, with the keys that the engine does not find itself beside an endpoint."""
    options = s3_options(environment)
    if "AWS_ENDPOINT_URL" in options and not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & options.keys():
        options |= stored_keys()
    return options | ENGINE_PATIENCE


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


def _local_files(folder: Path) -> dict[str, int]:
    try:
        found = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}
    except OSError as error:
        raise StorageError(f"Cannot read {folder}: {error.strerror}. Expected a readable folder.") from error


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
