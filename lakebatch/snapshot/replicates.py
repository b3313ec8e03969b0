"""Replicates: assemblies of one config, and whether those of one seed have the same rows."""

from __future__ import annotations

import polars as pl

from lakebatch.assembly.tables import RESULTS
from lakebatch.snapshot.compare import digests
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import Snapshot

REPLICATE_COLUMNS = {
    "config": pl.Int64(),
    "config_hash": pl.String(),
    "seed": pl.Int64(),
    "assembly_id": pl.String(),
    "replicates": pl.Int64(),
    "same_seed": pl.Int64(),
    "agrees": pl.Boolean(),
}


def compare(snapshot: Snapshot, on_gap: OnGap = "warn") -> pl.DataFrame:
    """Return one row per completed assembly whose config was run more than once.

    Columns
    -------
    config
        The number of the config, counted from 1 by the first run of the experiment.
    replicates
        The number of completed assemblies with this config.
    same_seed
        The number of them with this seed, which therefore should have the same rows.
    agrees
        Whether the rows equal those of the first with this config and seed, except for times; NULL for a single
        one, and for one that cannot be read.

    Raises
    ------
    DamageError
        If a file of an assembly whose rows are compared cannot be read, unless ``on_gap`` is "ignore".
    """
    completed = [each for each in snapshot.assemblies if each.status == "completed"]
    listed = pl.DataFrame(
        {
            "config": [snapshot.config_numbers[each.config_hash] for each in completed],
            "config_hash": [each.config_hash for each in completed],
            "seed": [each.seed for each in completed],
            "assembly_id": [each.assembly_id for each in completed],
        },
        schema_overrides={
            name: REPLICATE_COLUMNS[name] for name in ("config", "config_hash", "seed", "assembly_id")
        },
    ).with_columns(
        pl.len().over("config_hash").cast(pl.Int64).alias("replicates"),
        pl.len().over("config_hash", "seed").cast(pl.Int64).alias("same_seed"),
    )
    repeated = listed.filter(pl.col("replicates") > 1)
    contested = repeated.filter(pl.col("same_seed") > 1)
    digest_of: dict[str, str] = {}
    for columns, ids in _by_columns(snapshot, contested).items():
        digest_of |= digests(snapshot, ids, RESULTS, on_gap, columns)
    firsts: dict[tuple[str, int], str] = {}
    agrees: list[bool | None] = []
    for _, config_hash, seed, assembly_id, _, same in repeated.iter_rows():
        digest = digest_of.get(assembly_id)
        known = same > 1 and digest is not None
        agrees.append(firsts.setdefault((config_hash, seed), str(digest)) == digest if known else None)
    return repeated.with_columns(pl.Series("agrees", agrees, dtype=pl.Boolean)).select(*REPLICATE_COLUMNS)


def _by_columns(snapshot: Snapshot, contested: pl.DataFrame) -> dict[tuple[str, ...], list[str]]:
    """Return the assemblies by the columns of results to compare: those that the first of each config and seed had."""
    ends = snapshot.events.filter(status="completed").group_by("assembly_id")
    version_of = dict(ends.agg(pl.col("results_version").min()).iter_rows())
    found: dict[tuple[str, ...], list[str]] = {}
    for _, group in contested.group_by("config_hash", "seed", maintain_order=True):
        ids = group["assembly_id"].to_list()
        columns = snapshot.tables.columns_at(min(version_of[each] for each in ids))
        found.setdefault(columns, []).extend(ids)
    return found
