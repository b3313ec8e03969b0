"""What every engine is asked, and the answers of a replay of the log."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import replay
from life import FRAME, PAPER, REVISION, Life

COLUMNS = {
    "results: one partition": ["part", "repeat", "r2"],
    "lists": ["part", "names", "running"],
    "assemblies": ["assembly_id", "status", "parts"],
    "tags": ["tag", "results_version"],
}
"""The columns that are asked for, of tables whose rows are asked for."""
PUBLISHED = "published"
DASK, DEFAULT_LISTS = "Dask, dask-deltatable", "lists, by default"
"""An engine that is asked for lists once more, without the setting that keeps them."""
NAMES = (
    "results: count",
    "results: means",
    "results: one partition",
    "results: tag before a checkpoint",
    "results: tag after it",
    "lists",
    "assemblies",
    "tags",
    "frames",
    "published: means",
    "published: one assembly",
    "published: first tag",
    "published: second tag",
)
"""The questions, in the order of the page."""


@dataclass(frozen=True)
class Questions:
    """The questions to the tables of a lake."""

    life: Life

    @cached_property
    def asked(self) -> dict[str, dict[str, Any]]:
        """The questions by name, as the engines get them."""
        results = {"table": self.life.table("results")}
        published = {"table": self.life.table(PUBLISHED)}
        paper, revision = self.life.tag(PAPER), self.life.tag(REVISION)
        frames = f"{self.life.lake.storage.uri}/93_v1_batch-fits/frames/{FRAME}"
        return {
            "results: count": {"ask": "count", **results},
            "results: means": {"ask": "means", **results},
            "results: one partition": self._rows("results: one partition", "results", assembly_id=self.first),
            "results: tag before a checkpoint": {
                "ask": "count",
                **results,
                "version": paper["results_version"],
            },
            "results: tag after it": {"ask": "count", **results, "version": revision["results_version"]},
            "lists": self._rows("lists", "curves"),
            "assemblies": self._rows("assemblies", "assemblies"),
            "tags": self._rows("tags", "tags"),
            "frames": {"ask": "count", "table": frames},
            "published: means": {"ask": "means", **published},
            "published: one assembly": self._rows(
                "results: one partition", PUBLISHED, assembly_id=self.first
            ),
            "published: first tag": {"ask": "count", **published, "version": paper["published_version"]},
            "published: second tag": {"ask": "count", **published, "version": revision["published_version"]},
        }

    def of_engine(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the questions to an engine: those to all, and those to it alone."""
        if name != DASK:
            return self.asked
        return {**self.asked, DEFAULT_LISTS: {**self.asked["lists"], "ask": "rows_by_default"}}

    @property
    def first(self) -> str:
        """The assembly whose partition is asked for."""
        return self.life.stored.snapshot().ids()[0]

    def _rows(self, name: str, table: str, **chosen: Any) -> dict[str, Any]:
        return {"ask": "rows", "table": self.life.table(table), "columns": COLUMNS[name], **chosen}

    @cached_property
    def expected(self) -> dict[str, Any]:
        """The right answers, by name."""
        return {name: _expected(**question) for name, question in self.asked.items()}


def _expected(ask: str, table: str, **given: Any) -> Any:
    found = replay.rows(table, given.get("version"))
    if ask == "count":
        return len(found)
    if ask == "means":
        return replay.means(found)
    wanted = given.get("assembly_id")
    return sorted(
        [row[name] for name in given["columns"]] for row in found if wanted in (None, row.get("assembly_id"))
    )
