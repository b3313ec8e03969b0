"""Shell completion."""

import os
import shutil
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from lakebatch.cli import completion
from lakebatch.cli.main import main
from lakebatch.runner.sweep import run_sweep

LAKEBATCH = Path(sys.executable).with_name("lakebatch")


def environment(**more):
    path = f"{LAKEBATCH.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **more}


@cache
def bash_function():
    """Return the script that a user's shell evaluates once."""
    command = [LAKEBATCH, "completion", "bash"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def offered(words, folder):
    """Return bash's completions of some words, from the function that the script defines."""
    listed = " ".join(f"'{word}'" for word in words)
    script = (
        f"{bash_function()}\n"
        f"COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; _lakebatch_completion lakebatch; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split()


def test_bash_completes_names_of_every_kind(copied_lake, tmp_path):
    toy = copied_lake["toy"]
    toy.tag("paper")
    known = toy.assemblies()["assembly_id"].to_list()
    assert offered(["lakebatch", "reass"], tmp_path) == ["reassemble"]
    assert offered(["lakebatch", "status", ""], tmp_path) == ["toy", "other-toy"]
    assert offered(["lakebatch", "run", "respon"], tmp_path) == ["response-noise"]
    assert sorted(offered(["lakebatch", "resume", "toy", "2"], tmp_path)) == known
    assert offered(["lakebatch", "reassemble", "toy", "--tag", "p"], tmp_path) == ["paper"]
    assert offered(["lakebatch", "sql", "--query", "summ"], tmp_path) == ["summary"]
    assert offered(["lakebatch", "run", "response-noise", "--preset", "sm"], tmp_path) == ["smoke"]
    assert offered(["lakebatch", "--lake", "elsewhere", "status", ""], tmp_path) == []
    assert offered(["lakebatch", "status", "--lake", "elsewhere", ""], tmp_path) == []


def test_bash_completes_experiment_versions(copied_lake, tmp_path):
    folder = Path(copied_lake.storage.uri)
    shutil.copytree(folder / "90_v1_toy", folder / "90_v2_toy")
    assert offered(["lakebatch", "status", "toy"], tmp_path) == ["toy@v1", "toy"]
    assert offered(["lakebatch", "status", "toy@"], tmp_path) == ["toy@v1"]
    assert offered(["lakebatch", "diff", "toy", "v"], tmp_path) == ["v1", "v2"]
    breaks = f'{bash_function()}\nprintf %s "$COMP_WORDBREAKS"'
    shell = subprocess.run(["bash", "--norc", "-ic", breaks], capture_output=True, text=True, check=True)
    assert ":" in shell.stdout
    assert "@" not in shell.stdout


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_show_the_status_of_each_assembly(copied_lake, tmp_path, shell):
    script = subprocess.run(
        [LAKEBATCH, "completion", shell], capture_output=True, text=True, check=True
    ).stdout
    assert f"_LAKEBATCH_COMPLETE={shell}_complete" in script
    asked = {"COMP_WORDS": "lakebatch resume toy ", "COMP_CWORD": "3" if shell == "zsh" else ""}
    done = subprocess.run(
        [LAKEBATCH], cwd=tmp_path, capture_output=True, text=True,
        env=environment(_LAKEBATCH_COMPLETE=f"{shell}_complete", **asked),
    )  # fmt: skip
    assert done.stderr == ""
    assert copied_lake["toy"].assemblies()["assembly_id"][0] in done.stdout
    assert "failed" in done.stdout


def test_unreadable_lake_completes_nothing_silently(tmp_path):
    (tmp_path / "lakebatch.toml").write_text("lake = [")
    assert offered(["lakebatch", "status", ""], tmp_path) == []


def test_completion_gives_up_on_a_silent_lake_after_seconds(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts connections and never answers
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name, value in {"ENDPOINT": address, "ACCESS_KEY": "key", "SECRET_KEY": "secret"}.items():
            monkeypatch.setenv(f"S3_{name}", value)
        began = time.monotonic()
        assert offered(["lakebatch", "--lake", "s3://bucket/lake", "status", ""], tmp_path) == []
        assert 5 < time.monotonic() - began < 13  # S3 itself gives up after about 15 s


def test_keys_parameters_sweeps_and_words_of_options_are_completed(copied_lake, monkeypatch):
    monkeypatch.setattr(completion, "_be_silent", lambda: None)  # it would silence this process
    run_sweep(copied_lake, "toy", {"seed": [1, 2]}, sweep_name="seeds", jobs=1)

    def of(*words):
        asked = BashComplete(main, {}, "lakebatch", completion.VARIABLE)
        return [each.value for each in asked.get_completions(list(words[:-1]), words[-1])]

    assert of("run", "response-noise", "--set", "cohort.n") == ["cohort.n_samples="]
    assert of("config", "toy", "--set", "le") == ["levels="]
    assert of("run", "toy", "--sweep", "se") == ["seed="]
    assert of("plot", "toy", "--where", "at") == ["at_once="]
    assert of("sql", "--where", "se") == ["seed="]
    assert of("sql", "--query", "levels", "--param", "") == ["experiment=", "metric="]
    assert of("reassemble", "toy", "--config", "") == ["1", "2", "3"]
    assert of("reassemble", "toy", "--sweep", "") == ["seeds"]
    assert of("sweeps", "toy", "") == ["seeds"]
    assert of("resume", "toy", "se") == ["seeds"]
    assert of("plot", "toy", "--metric", "m") == ["mse"]
    assert of("plot", "toy", "--kind", "gr") == ["grid", "growth"]
    assert of("diff", "toy", "no") == ["now"]
    assert of("run", "response-noise", "--preset", "d") == ["demo"]
