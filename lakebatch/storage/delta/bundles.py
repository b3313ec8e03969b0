"""Bundles: files that repeat the rows of many small files of a table and are read in their place.

A thousand small files take ten times as long to open as one file with the same rows, and a table partitioned by assembly has
at least one file per assembly. So the files of consecutive assemblies are copied into a bundle as soon as there are enough.
The name of a bundle has its first and last assembly, and a hash of the paths of all files of the table from the first to the
last. Files never change: while the table has exactly these files there, the bundle has their rows; later it is ignored. A
bundle can be removed at any time.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from lakebatch.ids import ASSEMBLY_ID
from lakebatch.storage.place import StoredFile

FOLDER = "bundles"
MIN_FILES = 64
"""Number of files that are worth a bundle."""
MAX_BYTES = 2**20
"""Size from which a file needs no bundle, because a large file is quick to read."""
NAME = re.compile(rf"({ASSEMBLY_ID.pattern})-({ASSEMBLY_ID.pattern})-([0-9a-f]{{16}})-([0-9]+)\.parquet")


@dataclass(frozen=True)
class Bundle:
    """A bundle: its file name, its first and last assembly, and the hash of the files that it repeats."""

    name: str
    first: str
    last: str
    hash: str


@dataclass(frozen=True)
class Sources:
    """The files from which the rows of some assemblies are read.

    Attributes
    ----------
    bundles : list of str
        Names of bundles, in the order of their assemblies.
    files : list of str
        Paths of files within the table, in the order of their assemblies.
    has_others : bool
        Whether the bundles also have rows of other assemblies.
    """

    bundles: list[str]
    files: list[str]
    has_others: bool = False

    @property
    def all(self) -> list[str]:
        """Bundles and files."""
        return [*self.bundles, *self.files]


class SortedFiles:
    """The files of a table in the order of their assemblies."""

    def __init__(self, file_table: pl.DataFrame) -> None:
        files = file_table.sort("assembly_id", "path")
        self.assembly_ids: list[str] = files["assembly_id"].to_list()
        self.paths: list[str] = files["path"].to_list()
        self.sizes: list[int] = files["bytes"].to_list()

    def between(self, first: str, last: str) -> range:
        """Return the positions of the files of all assemblies from the first to the last."""
        return range(bisect_left(self.assembly_ids, first), bisect_right(self.assembly_ids, last))

    def hash(self, where: range) -> str:
        """Return a hash of the paths of some files."""
        text = "\n".join(self.paths[where.start : where.stop])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def sources(self, bundles: Iterable[Bundle], assembly_ids: Collection[str] | None) -> Sources:
        """Return the sources of the rows of all or some assemblies; a bundle only if most of its files are wanted."""
        wanted = set(self.assembly_ids if assembly_ids is None else assembly_ids)
        names, covered, has_others = [], set[int](), False
        for bundle, where in self.matching(bundles):
            of_these = sum(self.assembly_ids[index] in wanted for index in where)
            if 2 * of_these > len(where):
                names.append(bundle.name)
                covered.update(where)
                has_others |= of_these < len(where)
        rest = (index for index in range(len(self.paths)) if index not in covered)
        files = [self.paths[index] for index in rest if self.assembly_ids[index] in wanted]
        return Sources(names, files, has_others)

    def matching(self, bundles: Iterable[Bundle]) -> Iterator[tuple[Bundle, range]]:
        """Yield the valid bundles and the positions of their files; no file is in two of them."""
        end = 0
        for bundle in sorted(bundles, key=lambda each: (each.first, each.last)):
            where = self.between(bundle.first, bundle.last)
            if where and where.start >= end and self.hash(where) == bundle.hash:
                end = where.stop
                yield bundle, where

    def pending(self, bundles: Iterable[Bundle], final: Collection[str]) -> Iterator[range]:
        """Yield the positions of files that are worth a bundle: enough small ones, of assemblies in ``final``.

        ``final`` has the assemblies that get no more rows.
        """
        covered = {index for _, where in self.matching(bundles) for index in where}
        final = set(final)

        def is_ready(index: int) -> bool:
            is_small = self.sizes[index] < MAX_BYTES
            return is_small and index not in covered and self.assembly_ids[index] in final

        for ready, group in groupby(range(len(self.paths)), is_ready):
            if ready:
                yield from self._chunks(list(group))

    def _chunks(self, indices: list[int]) -> Iterator[range]:
        """Yield neighbours in chunks that are large enough and split no assembly."""
        begin = indices[0]
        for index in indices:
            is_last = index + 1 == len(self.paths) or self.assembly_ids[index + 1] != self.assembly_ids[index]
            if is_last and index + 1 - begin >= MIN_FILES:
                yield range(begin, index + 1)
                begin = index + 1


def parse(files: Iterable[StoredFile]) -> list[Bundle]:
    """Return the bundles among the files of a folder; a file that is cut off is none."""
    matches = ((NAME.fullmatch(each.path), each.size) for each in files)
    return [
        Bundle(match[0], *match.group(1, 2, 3)) for match, size in matches if match and int(match[4]) == size
    ]


def bundle_name(files: SortedFiles, where: range, size: int) -> str:
    """Return the name of the bundle of some files, with its size in bytes."""
    first, last = files.assembly_ids[where.start], files.assembly_ids[where.stop - 1]
    return f"{first}-{last}-{files.hash(where)}-{size}.parquet"
