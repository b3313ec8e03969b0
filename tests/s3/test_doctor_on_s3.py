"""The doctor, and reads of damaged tables, on a real S3 server."""

from __future__ import annotations

import deltalake
import polars as pl
import pytest

import lakebatch
from lakebatch.errors import AssemblyError, DamageError, DamageWarning, IncompleteError

FOLDER = "91_v1_toy"
SETTINGS = ["pause=0", "levels=[0, 0.1]"]


@pytest.fixture
def stored(s3_lake, monkeypatch) -> lakebatch.StoredExperiment:
    """Return an experiment with one run on S3."""
    monkeypatch.setenv("TOY_COMPUTED", str(s3_lake.folder / "computed"))
    lakebatch.run(lakebatch.open_lake(), "toy", jobs=1, settings=SETTINGS)
    return lakebatch.open_lake()["toy"]


def keys(s3_lake, below="") -> list[str]:
    pages = s3_lake.server.client().list_objects_v2(
        Bucket=s3_lake.server.bucket, Prefix=f"{s3_lake.prefix}/{below}"
    )
    return [each["Key"] for each in pages.get("Contents", [])]


def test_sound_lake_on_s3_has_no_problem_and_nothing_is_left_in_it(s3_lake, stored):
    before = keys(s3_lake)
    frame = lakebatch.open_lake().doctor(deep=True)
    assert set(frame["severity"]) == {"ok"}, frame.filter(pl.col("severity") != "ok").rows()
    assert {"writing", "conditional put", "log", "data files", "values"} <= set(frame["check"])
    assert keys(s3_lake) == before


def test_damage_on_s3_is_named_by_reads_and_by_the_doctor(s3_lake, stored):
    client, bucket = s3_lake.server.client(), s3_lake.server.bucket
    lakebatch.run(lakebatch.open_lake(), "toy", jobs=1, settings=SETTINGS)
    folder = f"{s3_lake.prefix}/{FOLDER}/results"
    first, second = sorted(f"{folder}/{file.path}" for file in stored.results.at().data_files())
    client.delete_object(Bucket=bucket, Key=first)
    content = client.get_object(Bucket=bucket, Key=second)["Body"].read()
    garbled = content[:60] + b"\x55" * 60 + content[120:]
    client.put_object(Bucket=bucket, Key=second, Body=garbled)
    with pytest.raises(DamageError, match=f"s3://{bucket}/({first}|{second}) of .*lakebatch repair toy@v1"):
        stored.reassemble()
    problems = lakebatch.open_lake().doctor(deep=True).filter(severity="problem").rows(named=True)
    assert [(each["check"], each["what"].split(" (")[0]) for each in problems] == [
        ("data files", f"s3://{bucket}/{first} is missing"),
        ("values", f"s3://{bucket}/{second} cannot be read"),
    ]

    (entry,) = (key for key in keys(s3_lake, f"{FOLDER}/results/_delta_log") if key.endswith("2.json"))
    client.delete_object(Bucket=bucket, Key=entry)
    with pytest.raises(DamageError, match=f"s3://{bucket}/{entry} is missing. Put it back from a backup"):
        lakebatch.open_lake()[
            "toy"
        ].reassemble()  # a process with a cached newest state does not read the log again
    assert stored.history()["status"].to_list() == ["started", "completed"] * 2


@pytest.mark.parametrize("read", ["reassemble", "sql"])
def test_lost_object_leaves_out_only_its_assembly(s3_lake, stored, read):
    client, bucket = s3_lake.server.client(), s3_lake.server.bucket
    lakebatch.run(lakebatch.open_lake(), "toy", jobs=1, settings=SETTINGS)
    lost = stored.results.at().data_files()[0]
    key = f"{s3_lake.prefix}/{FOLDER}/results/{lost.path}"
    client.delete_object(Bucket=bucket, Key=key)
    lake = lakebatch.open_lake()
    readers = {
        "reassemble": lambda **options: lake["toy"].reassemble(**options),
        "sql": lambda **options: lake.sql("FROM toy.results", **options),
    }
    with pytest.raises(DamageError) as caught:
        readers[read]()
    assert str(caught.value) == (
        f"s3://{bucket}/{key} of {lost.assembly_id} is missing. Restore it with: lakebatch repair toy@v1. "
        "To read the rest, use on_gap='ignore' (--on-gap ignore)."
    )
    with pytest.warns(
        DamageWarning, match=f"^Left out: s3://{bucket}/{key} of {lost.assembly_id} is missing"
    ):
        rows = readers[read](on_gap="ignore")
    assert rows["assembly_id"].n_unique() == 1
    assert lost.assembly_id not in set(rows["assembly_id"])
    assert lake.sql("FROM toy.assemblies").height == 2


def test_lost_and_damaged_objects_are_repaired(s3_lake, stored):
    client, bucket = s3_lake.server.client(), s3_lake.server.bucket
    before = stored.reassemble()
    lost, cut, *_ = (key for key in keys(s3_lake, FOLDER) if "/part-" in key)
    client.delete_object(Bucket=bucket, Key=lost)
    content = client.get_object(Bucket=bucket, Key=cut)["Body"].read()
    client.put_object(Bucket=bucket, Key=cut, Body=content[:-100])
    lake = lakebatch.open_lake()
    assert lake.repair(dry_run=False, jobs=1)["state"].to_list() == ["healed"] * 2
    assert lake["toy"].reassemble().equals(before)
    assert "problem" not in set(lake.doctor(deep=True)["severity"])


def test_purge_on_s3_removes_objects_and_past_states_say_so(s3_lake, stored):
    lakebatch.run(lakebatch.open_lake(), "toy", jobs=1, settings=SETTINGS)
    bad, good = stored.assemblies()["assembly_id"]
    version = stored.snapshot().version
    opened = stored.snapshot()
    stored.discard(bad, "a wrong dose")
    planned = stored.purge(bad, "no space")
    assert any(f"assembly_id={bad}/" in key for key in keys(s3_lake))
    assert stored.purge(bad, "no space", dry_run=False).equals(planned)
    left = [key for key in keys(s3_lake) if f"assembly_id={bad}/" in key]
    assert all("/logs/" in key for key in left), left
    with pytest.raises(AssemblyError, match=r"no space\. This state was opened before that"):
        opened.reassemble()
    again = lakebatch.open_lake()["toy"]
    with pytest.raises(IncompleteError, match=f"{bad}: purged on .* by .*: no space"):
        again.reassemble(version=version, on_gap="refuse")
    assert again.reassemble(on_gap="refuse")["assembly_id"].unique().to_list() == [good]
    problems = lakebatch.open_lake().doctor(deep=True).filter(severity="problem")
    assert problems.is_empty(), problems.rows()


def test_foreign_rows_on_s3_are_left_out_named_and_taken_out(s3_lake, stored):
    rows = stored.results.at().scan().collect()
    uri = f"s3://{s3_lake.server.bucket}/{s3_lake.prefix}/{FOLDER}/results"
    deltalake.write_deltalake(uri, rows.head(2), mode="append", storage_options=stored.storage.options)
    again = lakebatch.open_lake()["toy"]
    with pytest.warns(DamageWarning, match="results has 2 rows of .* that lakebatch did not write"):
        assert again.reassemble().height == rows.height
    assert again.repair(dry_run=False)["state"].to_list() == ["healed"]
    assert set(lakebatch.open_lake().doctor(deep=True)["severity"]) == {"ok"}
