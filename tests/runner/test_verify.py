"""Verification: an assembly is run again from its record."""

import re
import shutil

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import AssemblyError
from lakebatch.runner.verify import verify
from lakebatch.snapshot import changes, source_diff


def test_verify_confirms_an_assembly_row_by_row(lake, toy, stored):
    first = stored.assemblies()["assembly_id"][0]
    before = stored.snapshot().version
    verdict = verify(lake, toy, first, jobs=2)
    assert verdict.reproduced
    assert (verdict.rows, verdict.changes) == (9, ())
    last = stored.history().row(-1, named=True)
    assert (last["status"], last["note"]) == ("completed", "verified: 9 rows, all the same")
    assert stored.assemblies(version=before)["changed_at"][0] < stored.assemblies()["changed_at"][0]


def test_verify_finds_an_assembly_of_changed_code(lake, toy, stored, tmp_path):
    first = stored.assemblies()["assembly_id"][0]
    file = tmp_path / "experiments" / "toy.py"
    file.write_text(file.read_text().replace("-(prepared**2)", "-(prepared**2) * 2"))
    (change,) = changes.since(stored, stored.log.get(first))
    assert re.fullmatch(r"source was \w{12}, is \w{12} \(toy\.py\)", change)
    verdict = verify(lake, toy, first, jobs=2)  # jobs=2 reloads the file
    assert not verdict.reproduced
    assert verdict.changes == (change,)
    assert verdict.source.splitlines()[:2] == [f"--- toy.py\t{first}", "+++ toy.py\tnow"]
    old, new = (line for line in verdict.source.splitlines()[2:] if line[0] in "+-")
    assert new[1:] == old[1:].replace("(prepared**2)", "(prepared**2) * 2")
    (row,) = verdict.tables.rows(named=True)
    assert (row["table"], row["column"], row["rows_differing"]) == ("results", "r2", 9)
    assert row["largest_relative_difference"] == pytest.approx(1.0)
    assert stored.history()["note"].to_list()[-1].startswith("not reproduced: 9 rows differ in results.r2")


def test_verify_command_shows_the_changed_lines(stored, toy, tmp_path):
    first = stored.assemblies()["assembly_id"][0]
    file = tmp_path / "experiments" / "toy.py"
    file.write_text(file.read_text() + "\n# other code\n")
    done = CliRunner().invoke(main, ["--lake", "lake", "verify", toy, first, "--jobs", "1"])
    assert done.exit_code == 0
    assert "\n+# other code\n" in done.stderr
    assert "(toy.py)" in stored.history()["note"].to_list()[-1]


def test_source_that_is_not_recorded_is_shown_as_hashes(stored, tmp_path):
    (assembly,) = stored.log.latest()
    shutil.rmtree(tmp_path / "lake" / stored.folder / "sources")
    file = tmp_path / "experiments" / "toy.py"
    file.write_text(file.read_text() + "\n")
    again = lakebatch.open_lake(tmp_path / "lake")["toy"]
    found = source_diff.since(again, assembly)
    assert re.fullmatch(
        rf"source text not recorded: source \w{{12}} in {assembly.assembly_id}, \w{{12}} in now", found
    )


def test_pinned_seed_is_used_again(lake, toy):
    pinned = lakebatch.run(lake, toy, jobs=1, seed=5)
    assert verify(lake, toy, pinned.assembly_id, jobs=1).reproduced


def test_assembly_that_is_not_completed_is_not_verified(lake, toy, run):
    failed = run("fail=[0.1]")
    with pytest.raises(AssemblyError, match=r"is failed. Expected a completed assembly"):
        verify(lake, toy, failed.assembly_id)
