"""Secrets are withheld from all data written to a lake: frames, records, notes, reasons and names."""

import polars as pl
import pytest
from leaks import SECRETS, content, leaks

import lakebatch
from lakebatch import _text
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import now
from lakebatch.assembly.shards import parse
from lakebatch.assembly.spool import PartSpool
from lakebatch.errors import ConfigError
from lakebatch.legacy.importer import import_legacy
from lakebatch.legacy.scripts.executor import create_batch_executor
from lakebatch.storage.delta.commit_metadata import fingerprint
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.withholding import withheld

SECRET = SECRETS["S3_SECRET_KEY"]
MARK = "[S3_SECRET_KEY withheld]"


@pytest.fixture(autouse=True)
def _set_secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def test_secrets_are_withheld_at_any_depth_of_a_frame():
    frame = pl.DataFrame(
        {
            "text": [f"a {SECRET} b", None],
            "list": [["x", SECRET, None], []],
            "nested": [[[SECRET], None], None],
            "bytes": [b"\xff" + SECRET.encode(), None],
            "number": [1.5, None],
            "plain": [[1.0], None],
            SECRET: [1, 2],
            MARK: [3, 4],
        }
    )
    clean = withheld(frame)
    assert clean.to_dict(as_series=False) == {
        "text": [f"a {MARK} b", None],
        "list": [["x", MARK, None], []],
        "nested": [[[MARK], None], None],
        "bytes": [b"\xff" + MARK.encode(), None],
        "number": [1.5, None],
        "plain": [[1.0], None],
        f"{MARK} 2": [1, 2],
        MARK: [3, 4],
    }
    assert clean.dtypes == frame.dtypes
    assert withheld(clean).equals(clean)


def test_frame_without_secrets_is_unchanged(monkeypatch):
    for name in {*SECRETS, *_text.SECRET_SETTINGS, *_text.URL_SETTINGS}:
        monkeypatch.delenv(name, raising=False)
    frame = pl.DataFrame({"text": ["a"]})
    assert withheld(frame) is frame


@pytest.mark.parametrize("spooled", [False, True])
def test_fingerprint_is_of_the_rows_after_withholding(open_table, tmp_path, spooled):
    table = open_table("samples")
    table.ensure()
    rows = pl.DataFrame({"sample": [0], "initial_names": [["R1", SECRET]], "initial": [[1.0, 2.0]]})
    writer = PartWriter(table, "20261123_142230_run001", {})
    if spooled:
        with PartSpool(tmp_path / "part0", [load_schema("samples")], writer.assembly_id, "level=0") as spool:
            spool.write({"samples": rows})
            writer.append_spooled("level=0", spool.finish()["samples"])
    else:
        writer.append("level=0", rows, now())
    stored = table.newest().scan().collect()
    assert stored["initial_names"].to_list() == [["R1", MARK]]
    assert table.commits()[-1].metadata["lakebatch.fingerprint"] == fingerprint([stored])


def test_notes_reasons_and_errors_are_withheld_from_the_record(copied_lake):
    toy = copied_lake["toy"]
    run = toy.assemblies()["assembly_id"][0]
    assert toy.tag("paper", note=f"with {SECRET}").note == f"with {MARK}"
    assert toy.discard(run, f"because {SECRET}").note == f"because {MARK}"
    toy.restore(run, f"in spite of {SECRET}")
    assert leaks(toy.history().write_json() + toy.tags().write_json()) == []
    assert leaks(content("lake")) == []


def test_names_that_hold_a_secret_are_refused(copied_lake, monkeypatch):
    monkeypatch.setenv("NTFY_TOKEN", "tk-abcdef")
    with pytest.raises(ConfigError, match=r"The tag '\[NTFY_TOKEN withheld\]' holds the value of a secret"):
        copied_lake["toy"].tag("tk-abcdef")
    with pytest.raises(ConfigError, match=r"The array .* holds the value of a secret"):
        parse("1/2", "job-tk-abcdef")
    with pytest.raises(ConfigError, match=r"The assembly .* holds the value of a secret"):
        create_batch_executor("trial", "7", lake="lake").generate_assembly_id("tk-abcdef")
    executor = create_batch_executor("trial", "7", lake="lake")
    executor.generate_assembly_id(0.1)
    with pytest.raises(ConfigError, match=r"The name to save under .* holds the value of a secret"):
        executor.save_batch_data(pl.DataFrame({"a": [1]}).to_pandas(), "tk-abcdef")
    assert "tk-abcdef" not in content("lake")


def test_frames_and_their_records_are_withheld_when_imported_and_saved(lake, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    rows = pl.DataFrame({"Model": ["a"], "R2 Score": [0.5], "made with": [SECRET], SECRET: [1]})
    rows.write_csv(old / "results_0.csv")
    (old / "assembly_list.csv").write_text(
        f'assembly_id,timestamp,status\n0,"{SECRETS["NTFY_TOKEN"]}",completed\n'
    )
    import_legacy(lake, "07_v1_trial", str(old))
    executor = create_batch_executor("saved", "8", lake=tmp_path / "lake")
    executor.generate_assembly_id(0.1)
    # results quote the first 40 characters of a cell that is no number
    cut = ["0.5", "a cell with more text before it, " + SECRET]
    frame = pl.DataFrame(
        {"x": [SECRET] * 2, "y": [[SECRET]] * 2, SECRET: [1] * 2, "Model": ["a"] * 2, "R2 Score": cut}
    )
    for _ in range(2):  # saving the same frame again adds nothing
        executor.save_batch_data(frame.to_pandas(), "mine")
    executor.mark_assembly_failed(f"no {SECRET}")
    kept = content(tmp_path / "lake")
    assert MARK in kept
    assert leaks(kept) == []
    assert SECRET[:6] not in kept
    assert import_legacy(lake, "07_v1_trial", str(old)).batches == ()


HOLDER = """
from pathlib import Path

import polars as pl

from lakebatch.experiment import ConfigModel, Experiment, Part

class Holder(Experiment[ConfigModel, None]):
    name, number, version, config_model = "holder", "96", "v1", ConfigModel

    def parts(self, config):
        return [Part("a"), Part("b")]

    def run(self, part, prepared, config, rng):
        return {"results": pl.DataFrame({"error": [Path("key").read_text()]})}
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_secret_known_only_to_the_parent_is_withheld_from_rows_of_workers(tmp_path, monkeypatch, lake, jobs):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lakebatch._text._learned", {})
    _text.learn("AWS_SECRET_ACCESS_KEY", "from-a-profile")
    (tmp_path / "key").write_text("from-a-profile")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "holder.py").write_text(HOLDER)
    assert lakebatch.run(lake, "holder", jobs=jobs).status == "completed"
    errors = lake["holder"].reassemble()["error"].to_list()
    assert errors == ["[AWS_SECRET_ACCESS_KEY withheld]"] * 2
    assert "from-a-profile" not in content(lake.storage.uri)
