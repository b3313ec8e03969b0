"""Folders of the older layout that hold links, pipes, devices and endless files."""

import os
import signal
import socket
from contextlib import closing

import polars as pl
import pytest

from lakebatch.errors import LegacyError
from lakebatch.legacy.importer import execute, plan

NAME = "07_v1_trial"


@pytest.fixture(autouse=True)
def _no_hang():
    """Interrupt a test that waits for a pipe."""
    signal.alarm(30)
    yield
    signal.alarm(0)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with one importable file and many links, pipes and devices."""
    folder = tmp_path / "old"
    folder.mkdir()
    rows = pl.DataFrame({"Model": ["a"], "R2 Score": [0.5]})
    rows.write_csv(folder / "results_0.csv")
    rows.write_csv(tmp_path / "secret.csv")
    (folder / "results_1.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "results_2.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "results_3.pkl")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(folder / "results_4.parquet"))
    with (folder / "results_5.parquet").open("wb") as file:
        file.truncate(10**13)
    (folder / "results_6.csv").symlink_to(folder / "results_6.csv")
    (folder / "results_7.csv").symlink_to(tmp_path / "absent.csv")
    repeated = pl.DataFrame({"Model": pl.repeat("a", 10, eager=True)}).lazy()
    repeated.select(pl.col("Model").repeat_by(1).list.first()).collect().write_parquet(
        folder / "results_8.parquet"
    )
    return folder


def test_only_regular_files_are_imported_and_all_others_named(lake, folder):
    planned = plan(lake, NAME, str(folder))
    said = {each.file: each.detail for each in planned.findings if each.what == "unreadable file"}
    link = "it is a link, which is not followed"
    assert said == {
        "results_1.csv": link,
        "results_2.csv": link,
        "results_3.pkl": "it is a pipe or a device, which is not read",
        "results_4.parquet": "it is a socket or a device, which is not read",
        "results_5.parquet": said["results_5.parquet"],
        "results_6.csv": link,
        "results_7.csv": link,
    }
    assert said["results_5.parquet"].startswith("it has 10000.0 GB, more than the ")
    assert planned.left_behind == len(said)
    assert sorted(item.file for batch in execute(planned).batches for item in batch.items) == [
        "results_0.csv", "results_8.parquet",
    ]  # fmt: skip


def test_list_that_is_a_link_is_not_read(lake, folder, tmp_path):
    (tmp_path / "list.csv").write_text("assembly_id,timestamp,status\n0,1,failed\n")
    (folder / "assembly_list.csv").symlink_to(tmp_path / "list.csv")
    with pytest.raises(
        LegacyError, match=r"assembly_list\.csv cannot be read: it is a link, which is not followed"
    ):
        plan(lake, NAME, str(folder))


def test_file_replaced_by_a_link_meanwhile_is_not_followed(lake, folder, tmp_path):
    planned = plan(lake, NAME, str(folder))
    (folder / "results_0.csv").unlink()
    (folder / "results_0.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(ValueError, match="it is a link"):
        execute(planned)


def test_small_file_that_expands_to_too_many_rows_is_refused(lake, folder, monkeypatch):
    rows = pl.select(pl.repeat(1.0, 2_000_000, dtype=pl.Float64).alias("x"))
    rows.write_parquet(folder / "results_9.parquet", compression="zstd")
    assert (folder / "results_9.parquet").stat().st_size < 100_000
    monkeypatch.setattr("lakebatch.legacy.files._max_bytes", lambda: 10_000_000)
    details = {each.file: each.detail for each in plan(lake, NAME, str(folder)).findings}
    assert "more than the 0.0 GB that are read at once here" in details["results_9.parquet"]


def test_byte_order_mark_is_not_part_of_a_name(lake, folder):
    (folder / "assembly_list.csv").write_text(
        "assembly_id,timestamp,status\n0,1,completed\n", encoding="utf-8-sig"
    )
    (folder / "results_0.csv").write_text("Model,R2 Score\na,0.5\n", encoding="utf-8-sig")
    done = execute(plan(lake, NAME, str(folder)))
    assert done.assemblies[0].rows == 1
    assert lake["trial"].reassemble()["model"].to_list() == ["a"]
