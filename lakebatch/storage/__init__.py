"""Where a lake lies, a folder or a prefix on S3, and the Delta tables in it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from lakebatch.errors import ConfigError, StorageError
from lakebatch.settings import SETTINGS_FILE, read_settings
from lakebatch.storage.local import LocalFolder
from lakebatch.storage.place import Place, StoredFile, Validator
from lakebatch.storage.s3 import Bucket, stored_keys
from lakebatch.storage.uris import is_local, normalize

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
        """Return the URI of something in the lake."""
        return "/".join([self.uri.rstrip("/"), *names])

    @cached_property
    def place(self) -> Place:
        """The backend."""
        return LocalFolder(self.uri) if is_local(self.uri) else Bucket(self.uri, self.options)

    def folders(self) -> list[str]:
        """Return the names of the folders directly in the lake, sorted; none if it does not exist yet."""
        return self.place.folders()

    def files(self, folder: str) -> list[StoredFile]:
        """Return every file below a folder of the lake, by path; none if the folder is not there."""
        return self.place.files(folder)

    def files_in(self, folder: str) -> list[StoredFile]:
        """Return the files directly in a folder, by path.

        Raises
        ------
        StorageError
            If the folder is not there.
        """
        files = [file for file in self.place.files(folder) if "/" not in file.path]
        if not files and self.is_local and not Path(self.uri, folder).is_dir():
            raise StorageError(
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
        self.place.write(path, content)

    def remove(self, path: str) -> None:
        """Remove a file of the lake, if it is there."""
        self.place.remove(path)

    def remove_each(self, paths: Iterable[str]) -> None:
        """Remove files of the lake, those that are there."""
        self.place.remove_each(paths)

    def renew(self, path: str, content: bytes) -> None:
        """Write a small file in place; its time becomes that of the storage's clock."""
        self.place.renew(path, content)

    def ages(self, folder: str) -> dict[str, float]:
        """Return how many seconds ago each file of a folder was written, by the storage's clock; none without the folder."""
        return self.place.ages(folder)

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | StorageError]:
        """Yield the content of each file, or what was wrong with it, in the order asked for."""
        return self.place.read_each(paths)

    def creates_only_once(self) -> bool:
        """Whether of two that create the same file the second is refused, on which every commit relies.

        A file is created under a name of its own and removed.
        """
        return self.place.creates_only_once(f".lakebatch-probe-{uuid.uuid4().hex}")

    def make_folder(self, folder: str) -> None:
        """Make a folder in the lake, where there are folders, unless it is there."""
        self.place.make_folder(folder)

    def check_writable(self) -> None:
        """Raise `StorageError` unless a run can use this place: read, write and, on S3, be refused what is taken."""
        self.place.check_writable()

    def check_folders(self, folders: Iterable[str]) -> None:
        """Raise `StorageError` unless, on a disk, files can be created in those of some folders that are there."""
        self.place.check_folders(folders)

    def explain(self, error: BaseException) -> str | None:
        """Return the reason and the advice for an engine's error; None if the place itself is not to blame for it."""
        return self.place.explain(str(error))

    def locked(self, folder: str, *, for_writing: bool) -> list[str]:
        """Return what below a folder one has no right to, on a disk: files to read, or folders to write in."""
        return self.place.locked(folder, for_writing=for_writing)

    def check_space(self, needed: int) -> None:
        """Raise `StorageError` unless the disk has so many bytes free, and some for what has to be recorded besides.

        An engine that runs out of space in the middle of a file says so too, but in many lines.
        """
        self.place.check_space(needed)


def locate(
    lake: str | os.PathLike[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Storage:
    """Return where the lake is.

    The first that is set of: the argument, ``LAKEBATCH_LAKE``, ``lake`` in ``lakebatch.toml``, the S3
    settings of the environment, ``./lake``.
    """
    uri = (
        (os.fsdecode(lake) if lake is not None else "")
        or environment.get("LAKEBATCH_LAKE", "")
        or _project_lake()
        or _environment_lake(environment)
        or DEFAULT_LAKE
    )
    found = Storage(normalize(uri))
    return found if found.is_local else replace(found, options=_engine_options(environment))


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


def _project_lake() -> str:
    lake = read_settings().get("lake", "")
    if not isinstance(lake, str):
        raise ConfigError(
            f"'lake' in {Path(SETTINGS_FILE).absolute()} is {lake!r}. Expected a folder or s3://bucket/prefix."
        )
    return lake


def _environment_lake(environment: Mapping[str, str]) -> str:
    bucket = next((environment[name] for name in BUCKET_NAMES if environment.get(name)), "")
    prefix = environment.get("SAVE_RESULT_PATH", "").strip("/")
    return f"s3://{bucket}/{prefix}".rstrip("/") if bucket else ""
