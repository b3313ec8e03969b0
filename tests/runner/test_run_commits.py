"""Commits of a run: one per part and table with rows, two events, and at most one more per table."""

import lakebatch

EXPERIMENT = """
import polars as pl

from lakebatch.experiment import ConfigModel, Experiment, Part

class Triple(Experiment[ConfigModel, None]):
    name, number, version, config_model = "triple", "97", "v1", ConfigModel
    tables = ("samples", "results")

    def parts(self, config):
        return [Part("a"), Part("b"), Part("c")]

    def run(self, part, prepared, config, rng):
        for repeat in range(2):
            yield {"results": pl.DataFrame({"repeat": [repeat]})}
        yield {"samples": pl.DataFrame({"sample": [0, 1]})}
"""
CREATED = [("CREATE TABLE", None), ("ADD CONSTRAINT", None)]
PARTS = [("WRITE", "a"), ("WRITE", "b"), ("WRITE", "c")]
EVENTS = [("WRITE", "started"), ("WRITE", "completed")]


def commits(stored, table):
    """Return the operation and purpose of each commit of a table, oldest first."""
    return [
        (each.operation, each.metadata.get("lakebatch.part", each.metadata.get("lakebatch.event")))
        for each in stored.table(table).commits()
    ]


def test_runs_of_three_parts_make_one_commit_per_part_and_one_to_merge_them(tmp_path, monkeypatch, lake):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "triple.py").write_text(EXPERIMENT)
    for _ in range(2):
        assert lakebatch.run(lake, "triple", jobs=1).status == "completed"
    stored, merged = lake["triple"], [("WRITE", "optimized")]
    assert commits(stored, "results") == CREATED + (PARTS + merged) * 2
    assert commits(stored, "samples") == CREATED + PARTS * 2
    assert commits(stored, "assemblies") == CREATED + EVENTS * 2
    assert not stored.table("trajectories").exists()
    assert not stored.table("tags").exists()
