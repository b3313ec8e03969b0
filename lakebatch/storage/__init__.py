"""Where a lake lies, a folder or a prefix on S3, and the Delta tables in it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from lakebatch import _process as process
from lakebatch.errors import ConfigError, StorageError, UnknownNameError
from lakebatch.settings import SETTINGS_FILE, project_folder, read_settings
from lakebatch.storage.local import LocalFolder
from lakebatch.storage.place import ObjectStore, Place, StoredFile, Validator
from lakebatch.storage.s3 import Bucket
from lakebatch.storage.s3_client import stored_keys
from lakebatch.storage.uris import is_local, is_uri, normalize

SETTINGS = {
    "AWS_ENDPOINT_URL": ("S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "AWS_ACCESS_KEY_ID": ("S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    "AWS_SECRET_ACCESS_KEY": ("S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"),
    "AWS_SESSION_TOKEN": ("AWS_SESSION_TOKEN",),
    "AWS_REGION": ("S3_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"),
}
BUCKET_NAMES = ("S3_BUCKET_NAME", "AWS_BUCKET_NAME")
ENGINE_PATIENCE = {"retry_timeout": "30s"}
"""Retries of one request inside the engine; during its default of three minutes Ctrl-C would have no effect."""
DEFAULT_LAKE = "lake"


@dataclass(frozen=True)
class Storage:
    """A place for tables: a local folder or a prefix on S3, with the settings to reach it.

    The settings can hold secrets and are therefore never shown.
    """

    uri: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the lake is a folder on this machine."""
        return self.place.is_local

    def join(self, *names: str) -> str:
        """Return the URI of a file or folder in the lake."""
        return "/".join([self.uri.rstrip("/"), *names])

    @cached_property
    def place(self) -> Place:
        """The backend."""
        return self.objects or LocalFolder(self.uri)

    @cached_property
    def objects(self) -> ObjectStore | None:
        """The backend if each of its answers is a request; None for a local folder."""
        return None if is_local(self.uri) else Bucket(self.uri, self.options)

    def folders(self, below: str = "") -> list[str]:
        """Return the names of the folders directly in the lake, or in a folder of it; sorted, none if it does not exist."""
        return self.place.folders(below)

    def files(self, folder: str) -> list[StoredFile]:
        """Return every file below a folder of the lake, by path; none if the folder does not exist."""
        return self.place.files(folder)

    def files_in(self, folder: str) -> list[StoredFile]:
        """Return the files directly in a folder, by path.

        Raises
        ------
        UnknownNameError
            If the folder does not exist.
        """
        files = [file for file in self.place.files(folder) if "/" not in file.path]
        if not files and self.is_local and not Path(self.uri, folder).is_dir():
            raise UnknownNameError(
                f"Cannot read the folder {Path(self.uri, folder)}: No such file or directory. Correct its name."
            )
        return files

    def validator(self, folder: str, name: str, *, unless: str) -> Validator | None:
        """Return the validator of a file, see `Place.validator`; None also if the place cannot be reached."""
        try:
            return self.place.validator(folder, name, unless)
        except StorageError:
            return None

    def read(self, path: str) -> bytes:
        """Return the content of a file in the lake."""
        return self.place.read(path)

    def write(self, path: str, content: bytes) -> None:
        """Write a file in the lake, whole or not at all."""
        process.check_may_write()
        self.place.write(path, content)

    def remove(self, path: str) -> None:
        """Remove a file of the lake, if it exists."""
        process.check_may_write()
        self.place.remove(path)

    def remove_each(self, paths: Iterable[str]) -> None:
        """Remove the files of the lake that exist."""
        process.check_may_write()
        self.place.remove_each(paths)

    def renew(self, path: str, content: bytes) -> None:
        """Write a small file in place; its age becomes 0 by the storage's clock."""
        process.check_may_write()
        self.place.renew(path, content)

    def ages(self, folder: str) -> dict[str, float]:
        """Return the age in seconds of each file of a folder, by the storage's clock; none without the folder."""
        return self.place.ages(folder)

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | StorageError]:
        """Yield the content of each file, or the error that kept it from being read, in the order of the paths."""
        return self.place.read_each(paths)

    def creates_only_once(self) -> bool:
        """Whether the second of two processes that create the same file is refused; every commit relies on this.

        The check creates a file with a unique name and removes it.
        """
        return self.place.creates_only_once(f".lakebatch-probe-{uuid.uuid4().hex}")

    def make_folder(self, folder: str) -> None:
        """Create a folder in the lake, unless it exists or the backend has no folders."""
        process.check_may_write()
        self.place.make_folder(folder)

    def check_writable(self, folder: str = "") -> None:
        """Raise `StorageError` unless a run can read and write here, in one folder, and creates each file only once."""
        process.check_may_write()
        self.place.check_writable(folder)

    def check_folders(self, folders: Iterable[str]) -> None:
        """Raise `StorageError` unless files can be created in each of the folders that exist."""
        self.place.check_folders(folders)

    def explain(self, error: BaseException) -> str | None:
        """Return the reason and the advice for an engine's error; None if the place itself is not to blame for it."""
        return self.place.explain(str(error))

    def locked(self, folder: str, *, for_writing: bool) -> list[str]:
        """Return the paths below a folder that rights on a disk forbid: files to read, or folders to write in."""
        return self.place.locked(folder, for_writing=for_writing)

    def check_space(self, needed: int) -> None:
        """Raise `StorageError` unless the disk has a number of bytes free, and a reserve for the records of the run.

        An engine that runs out of space in the middle of a file raises an error of many lines.
        """
        self.place.check_space(needed)


def locate(
    lake: str | os.PathLike[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Storage:
    """Return the storage of the lake.

    The first of these that is set: the argument, ``LAKEBATCH_LAKE``, ``lake`` in ``lakebatch.toml``, the S3
    settings of the environment, ``lake`` in the project's folder.
    """
    uri = (
        (os.fsdecode(lake) if lake is not None else "")
        or environment.get("LAKEBATCH_LAKE", "")
        or _project_lake()
        or _environment_lake(environment)
        or str(project_folder() / DEFAULT_LAKE)
    )
    found = Storage(normalize(uri))
    return found if found.is_local else replace(found, options=_engine_options(environment))


def _engine_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options for S3, with the keys that the engine does not find by itself if there is an endpoint."""
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


def _project_lake() -> str:
    lake = read_settings().get("lake", "")
    if not isinstance(lake, str):
        raise ConfigError(
            f"'lake' in {(project_folder() / SETTINGS_FILE).absolute()} is {lake!r}. "
            "Expected a folder or s3://bucket/prefix."
        )
    is_absolute = not lake or is_uri(lake) or lake.startswith("~")
    return lake if is_absolute else os.path.join(project_folder(), lake)


def _environment_lake(environment: Mapping[str, str]) -> str:
    bucket = next((environment[name] for name in BUCKET_NAMES if environment.get(name)), "")
    prefix = environment.get("SAVE_RESULT_PATH", "").strip("/")
    return f"s3://{bucket}/{prefix}".rstrip("/") if bucket else ""
