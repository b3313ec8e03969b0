"""Source files that a lake keeps: once per state, complete, without secrets."""

from __future__ import annotations

import shutil
from pathlib import Path

import deltalake
import pytest

import lakebatch
from lakebatch.experiment import provenance
from lakebatch.lake.experiment import StoredExperiment

TOY = Path("experiments", "toy.py")


def kept(stored):
    return stored.table("sources").at().scan().collect().sort("recorded_at", maintain_order=True)


def test_source_is_kept_once_per_state(lake, toy, run):
    first = run()
    code = TOY.read_text()
    run()
    TOY.write_text(code + "\n# changed\n")
    changed = run()
    TOY.write_text(code)
    assert run().surroundings["source_hash"] == first.surroundings["source_hash"]
    rows = kept(lake[toy])
    assert rows.select("source_hash", "file").rows() == [
        (each.surroundings["source_hash"], "toy.py") for each in (first, changed)
    ]
    assert rows["text"].to_list() == [code, code + "\n# changed\n"]
    assert lake[toy].source(first.assembly_id) == {"toy.py": code}


def test_every_file_of_the_hash_is_kept(lake, toy, run):
    for name, content in {"helper/formula.py": b"x = 1\r\n", "helper/deep/model.ant": b"\xff"}.items():
        file = TOY.parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    assembly = run()
    assert lake[toy].source(assembly.assembly_id) == {
        "toy.py": TOY.read_text(),
        "helper/deep/model.ant": "\\xff",
        "helper/formula.py": "x = 1\r\n",
    }


def test_source_of_another_state_of_one_assembly_is_kept_too(lake, toy, run):
    assembly = run("fail=[0.1]")
    Path("mended").touch()
    code = TOY.read_text()
    TOY.write_text(code + "\n")
    lakebatch.resume(lake, toy, jobs=1, accept_changes=True)
    assert kept(lake[toy])["text"].to_list() == [code, code + "\n"]
    assert lake[toy].source(assembly.assembly_id) == {"toy.py": code + "\n"}


def test_secret_in_a_source_is_withheld(lake, toy, run, monkeypatch):
    monkeypatch.setenv("NTFY_TOKEN", "tk_abcdef123456")
    TOY.write_text(TOY.read_text() + "\nTOKEN = 'tk_abcdef123456'\n")
    assembly = run()
    text = lake[toy].source(assembly.assembly_id)["toy.py"]
    assert text.endswith("TOKEN = '[NTFY_TOKEN withheld]'\n")
    folder = Path(lake.storage.uri, lake[toy].folder, "sources")
    contents = [each.read_bytes() for each in folder.rglob("*") if each.is_file()]
    assert not any(b"tk_abcdef123456" in each for each in contents)


def test_files_too_large_to_keep_are_named_with_their_hash(lake, toy, run, monkeypatch):
    monkeypatch.setattr(provenance, "MAX_TEXT_BYTES", TOY.stat().st_size)
    Path("experiments/helper").mkdir()
    Path("experiments/helper/table.py").write_text("x = 1\n")
    assembly = run()
    assert lake[toy].source(assembly.assembly_id) == {"toy.py": TOY.read_text(), "helper/table.py": None}
    assert kept(lake[toy]).select("bytes", "text").row(1) == (6, None)


def test_lake_without_sources_is_read(lake, toy, run):
    assembly = run()
    shutil.rmtree(Path(lake.storage.uri, lake[toy].folder, "sources"))
    again = lakebatch.open_lake(lake.storage.uri)[toy]
    assert again.source(assembly.assembly_id) is None
    assert again.reassemble().height == 9
    assert run().status == "completed"


def test_unknown_source_is_none(lake, toy, run):
    run()
    assert lake[toy].source_log.files("0" * 64) is None


def test_sources_are_counted_merged_and_examined(lake, toy, run):
    for text in ("", "\n", "\n\n"):
        TOY.write_text(TOY.read_text() + text)
        run()
    assert "sources" in lake.usage()["table"].to_list()
    merged = lake.optimize().filter(table="sources").select("files", "files_after").row(0)
    assert merged == (3, 1)
    lake.vacuum(keep_days=0, dry_run=False)
    assert len(deltalake.DeltaTable(lake[toy].table("sources").uri).file_uris()) == 1
    assert set(lake.doctor(deep=True)["severity"]) == {"ok"}, lake.doctor(deep=True).rows()


RECORD = """
from pathlib import Path
import lakebatch
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.experiment.provenance import read_source
state = read_source(Path({file!r}))
tables = ExperimentTables(lakebatch.open_lake({lake!r}).storage, "90_v1_toy")
tables.table("sources").ensure()
"""


def test_processes_that_record_one_source_at_once_keep_it_once(lake, toy, run_together):
    imports = RECORD.format(file=str(TOY.absolute()), lake=str(lake.storage.uri))
    run_together(imports, ["tables.source_log.record(state)"] * 3)
    rows = kept(StoredExperiment(lake.storage, "90_v1_toy"))
    assert rows["file"].to_list() == ["toy.py"]


def test_source_file_that_is_there_twice_is_found(lake, toy, run):
    assembly = run()
    table = lake[toy].table("sources")
    rows = table.at().scan().collect()
    table.append_once("other", lambda state, last: None if last else rows, {})
    (found,) = lake.doctor().filter(check="duplicates", severity="problem").rows(named=True)
    source = assembly.surroundings["source_hash"][:12]
    assert found["what"] == f"the file toy.py of the source {source} is there twice"


def test_lost_file_of_sources_is_repaired_from_its_commit(lake, toy, run):
    assembly = run()
    (file,) = Path(lake[toy].table("sources").uri).glob("*.parquet")
    file.unlink()
    with pytest.warns(UserWarning, match="is missing"):
        assert lakebatch.open_lake(lake.storage.uri)[toy].source(assembly.assembly_id) is None
    lake.repair(dry_run=False)
    again = lakebatch.open_lake(lake.storage.uri)[toy]
    assert again.source(assembly.assembly_id) == {"toy.py": TOY.read_text()}
