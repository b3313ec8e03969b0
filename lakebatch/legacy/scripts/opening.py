"""The lake and the experiment that the names of the older interface mean."""

from __future__ import annotations

import os

from lakebatch.errors import ConfigError
from lakebatch.experiment import registry
from lakebatch.ids import FOLDER, check_no_secret
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.storage import BUCKET_NAMES, Storage, locate

BATCH = "batch-"
"""Prefix of the names of notebooks that ran an experiment in batches."""


def open_experiment(
    notebook: str, number: str, version: str, backend: str | None, lake: str | os.PathLike[str] | None
) -> StoredExperiment:
    """Return the experiment in the lake, which may be new.

    Raises
    ------
    ConfigError
        If no experiment can have the names, or the lake is not on the given backend.
    """
    return StoredExperiment(_locate(backend, lake), folder_name(notebook, number, version))


def folder_name(notebook: str, number: str, version: str) -> str:
    """Return the folder that the names of the older interface mean.

    >>> folder_name("batch-response-noise", "03", "v1"), folder_name("batch-trial", "7", "v1")
    ('03_v1_response-noise', '07_v1_batch-trial')
    """
    name = notebook.removeprefix(BATCH)
    title = name if name != notebook and name in registry.find() else notebook
    folder = f"{str(number).zfill(2)}_{version}_{title}"
    if not FOLDER.fullmatch(folder):
        raise ConfigError(
            f"{folder!r} cannot be an experiment's folder. Expected a number, an experiment version such as v1, "
            "and a name of lower-case words joined by '-', e.g. ('batch-response-noise', '03', 'v1')."
        )
    return check_no_secret(folder, "experiment's folder")


def _locate(backend: str | None, lake: str | os.PathLike[str] | None) -> Storage:
    if backend not in (None, "local", "s3"):
        raise ConfigError(f"storage_backend is {backend!r}. Expected 'local' or 's3'.")
    storage = locate(lake)
    if backend == "local" and not storage.is_local and lake is None:
        storage = locate(environment=_without_s3(os.environ))
    if backend is not None and storage.is_local == (backend == "s3"):
        raise ConfigError(
            f"storage_backend is {backend!r} and the lake is {storage.uri}. "
            + (
                "Set S3_BUCKET_NAME (with S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY), or LAKEBATCH_LAKE=s3://bucket/prefix."
                if backend == "s3"
                else "Name a folder with LAKEBATCH_LAKE."
            )
        )
    return storage


def _without_s3(environment: os._Environ[str]) -> dict[str, str]:
    """Return the environment without the variables that make a bucket the lake."""
    return {name: value for name, value in environment.items() if name not in BUCKET_NAMES}
