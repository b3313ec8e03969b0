"""Commands about records: ``run --from``, ``--name``, ``--note``, ``note`` and ``logs``."""

import json

from click.testing import CliRunner

from lakebatch.cli.main import main


def call(*arguments, code=0):
    done = CliRunner().invoke(main, ["--lake", "lake", *arguments])
    assert done.exit_code == code, done.output
    return done


def test_commands_name_note_and_log_a_run(toy):
    failing = ["--jobs", "1", "--set", "levels=[0,0.1]", "--set", "fail=[0.1]", "--name", "first", "--note"]
    call("run", toy, *failing, "a try", code=3)
    call("run", toy, "--from", "first", "--set", "fail=[]", "--same-seed", "--jobs", "1", "-q")
    call("note", toy, "first", "it failed")
    assert "(first): a try; it failed" in call("status").stdout
    before, after = json.loads(call("status", "--format", "json").stdout)
    assert (before["name"], before["note"], after["started_from"]) == (
        "first",
        "a try; it failed",
        before["assembly_id"],
    )
    assert "ValueError: level 0.1 is bad" in call("logs", toy, "first", "--level", "error").stdout
    (last,) = call("logs", toy, "--tail", "1").stdout.splitlines()
    assert last.endswith(f"INFO {after['assembly_id']} is completed: 2 of 2 parts, 6 rows")
    assert call("logs", toy, "--follow", "--tail", "1").stdout.splitlines() == [last]
    assert "has no such record" in call("logs", toy, "--level", "ERROR").stderr


def test_id_alone_names_its_experiment(toy):
    call("run", toy, "--jobs", "1", "--set", "levels=[0]", "-q")
    only = json.loads(call("status", "--format", "json").stdout)[0]["assembly_id"]
    assert call("logs", only).stdout == call("logs", toy, only).stdout != ""
    call("note", only, "the pump was off")
    assert f"{only}: the pump was off" in call("status").stdout
    call("discard", toy, only, "--reason", "a wrong dose")
    assert f"lakebatch --lake lake purge {toy} {only}" in call("purge", only, "--reason", "no space").stderr
    for arguments, message in (
        (
            ["logs", "20261123_142230_run009"],
            "No experiment of this lake has an assembly 20261123_142230_run009",
        ),
        (["note", toy, "a note"], "Missing argument 'TEXT'"),
        (["purge", toy, "--reason", "no space"], "Missing argument 'ASSEMBLY'"),
    ):
        done = CliRunner().invoke(main, ["--lake", "lake", *arguments])
        assert done.exit_code == 2, done.output
        assert message in done.output


def test_wrong_options_of_records_are_one_line(toy):
    call("run", toy, "--jobs", "1", "--set", "levels=[0]", "--name", "first", "-q")
    for arguments, message in (
        (["run", toy, "--from", "first", "--preset", "guide"], "Expected one config to start from"),
        (["run", toy, "--same-seed"], "Name it with start_from=ASSEMBLY (--from)"),
        (["run", toy, "--name", "first"], "is called 'first' already"),
        (["logs", toy, "--follow", "--format", "csv"], "--follow has no end"),
        (["logs", toy, "--level", "loud"], "Unknown level 'loud'"),
        (["note", toy, "first", " "], "The note is empty"),
    ):
        done = CliRunner().invoke(main, ["--lake", "lake", *arguments])
        assert done.exit_code == 2, done.output
        assert message in done.output


def test_slurm_script_starts_from_the_record(toy):
    call("run", toy, "--jobs", "1", "--set", "levels=[0]", "--name", "first", "-q")
    script = call("run", toy, "--from", "first", "--name", "second", "--note", "it's", "--print-slurm").stdout
    assert "run toy --from first --name second --note 'it'\"'\"'s' --shard" in script
    assert "--preset" not in script
