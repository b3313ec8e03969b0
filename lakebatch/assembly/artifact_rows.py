"""Rows of the table of artifacts: made of what an experiment returns, and checked before they are committed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from lakebatch._text import redact, replacements
from lakebatch.artifacts import (
    ARTIFACTS,
    CONTENT,
    MAX_BYTES,
    Artifact,
    TakenNames,
    check_name,
    sha256_of,
)
from lakebatch.errors import ExperimentError
from lakebatch.storage.delta.schema import load_schema

FIELDS = ("name", "media_type", "size", "sha256", CONTENT)


def to_frame(artifacts: object) -> pl.DataFrame:
    """Return artifacts as rows of their table.

    Raises
    ------
    ExperimentError
        If they are something else.
    """
    if isinstance(artifacts, str | bytes | pl.DataFrame | Mapping) or not isinstance(artifacts, Iterable):
        raise ExperimentError(
            f"run() returned {type(artifacts).__name__} for artifacts. Return a list of artifact(name, content)."
        )
    rows = [_row(each) for each in artifacts]
    types = load_schema(ARTIFACTS).polars
    return pl.DataFrame(rows, schema={name: types[name] for name in FIELDS}, orient="row")


def _row(each: object) -> Sequence[object]:
    if not isinstance(each, Artifact):
        raise ExperimentError(
            f"run() returned {type(each).__name__} among the artifacts. Expected artifact(name, content)."
        )
    return [getattr(each, name) for name in FIELDS]


class ArtifactCheck:
    """Check of the artifacts of one part, which come frame by frame."""

    def __init__(self) -> None:
        self._names = TakenNames()

    def checked(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the artifacts one by one, so that no batch of rows is much larger than one of them.

        Raises
        ------
        ExperimentError
            If a name is taken or cannot be used, or a content is too large, holds a secret or is not of its hash.
        """
        if missing := [name for name in FIELDS if name not in frame.columns]:
            raise ExperimentError(
                f"run() returned artifacts without {missing[0]!r}. Return a list of artifact(name, content)."
            )
        for index, row in enumerate(frame.select(FIELDS).iter_rows(named=True)):
            self._check(row)
            yield frame.slice(index, 1)

    def _check(self, row: Mapping[str, object]) -> None:
        name, content = row["name"], row[CONTENT]
        check_name(name)  # type: ignore[arg-type]
        assert isinstance(name, str)
        self._check_unused(redact(name))
        if (
            not isinstance(content, bytes)
            or row["sha256"] != sha256_of(content)
            or row["size"] != len(content)
        ):
            raise ExperimentError(f"artifact {name!r} has the size or hash of another content.")
        if len(content) > MAX_BYTES:
            raise ExperimentError(
                f"artifact {name!r} has {len(content):,} bytes, at most {MAX_BYTES:,} are kept."
            )
        if secret := held_secret(content):
            raise ExperimentError(
                f"artifact {redact(name)!r} holds the value of a secret setting ({secret}), and would be recorded for "
                "ever. Take it out."
            )

    def _check_unused(self, name: str) -> None:
        if other := self._names.take(name):
            raise ExperimentError(
                f"artifact {name!r} and artifact {other!r} are of one part, and their files would be in each other's "
                "way. Give each its own name."
            )


def held_secret(content: bytes) -> str | None:
    """Return the mark of the secret that some bytes hold; None if they hold none."""
    for form, mark in replacements().items():
        if form.encode(errors="surrogateescape") in content:
            return mark.strip("[]").removesuffix(" withheld")
    return None
