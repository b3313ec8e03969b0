"""A value written as ``file:PATH`` is the text of that file."""

from __future__ import annotations

import os

import pytest

from lakebatch.errors import ConfigError
from lakebatch.experiment import config_keys, registry
from lakebatch.experiment.config import insert_texts, resolve
from lakebatch.experiment.contract import ConfigModel, setting

NAME = "response-noise"
TEXT = "A -> B; k * A; k = 0.1\nA = 10; B = 0\n"


def resolved(**layers):
    source = registry.get(NAME)
    return resolve(source, registry.load(source), **layers)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Write a model into one folder, and enter another one."""
    for name in ("models", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file = tmp_path / "models" / "decay.ant"
    file.write_text(TEXT)
    return file


def test_file_of_a_setting_is_relative_to_the_working_directory(model):
    config = resolved(settings=["sbml.model=file:../models/decay.ant", "sbml.outcome=B"])
    assert config.model.sbml.model == TEXT
    assert config.origin("sbml.model") == "--set"


def test_file_of_an_override_is_relative_to_the_working_directory(model):
    config = resolved(overrides={"sbml": {"model": "file:../models/decay.ant", "outcome": "B"}})
    assert config.model.sbml.model == TEXT


@pytest.mark.parametrize("name", ["study.toml", "study.yaml", "study.json"])
def test_file_of_a_config_file_is_relative_to_it(model, name):
    texts = {
        "study.toml": '[sbml]\nmodel = "file:decay.ant"\noutcome = "B"\n',
        "study.yaml": "sbml:\n  model: file:decay.ant\n  outcome: B\n",
        "study.json": '{"sbml": {"model": "file:decay.ant", "outcome": "B"}}',
    }
    study = model.parent / name
    study.write_text(texts[name])
    assert resolved(file=study).model.sbml.model == TEXT


def test_absolute_file_is_found_from_anywhere(model):
    assert resolved(settings=[f"sbml.model=file:{model}", "sbml.outcome=B"]).model.sbml.model == TEXT


def test_file_values_are_read_at_any_depth_and_others_kept(model):
    tree = {"a": [{"b": "file:decay.ant"}, "c"], "d": "a file:decay.ant", "e": 1, "f": None, "g": {}}
    assert insert_texts(tree, model.parent, ["a.b"]) == {**tree, "a": [{"b": TEXT}, "c"]}


@pytest.mark.parametrize(
    "key", ["noise", "sbml.outcome", "sbml.inputs", "sbml.models", "model", "sbml.model.x"]
)
def test_file_of_another_key_is_refused_and_not_read(model, key):
    with pytest.raises(ConfigError, match=r"Only sbml.model takes the text of a file.$") as caught:
        resolved(settings=[f"{key}=file:{model}"])
    assert "A -> B" not in str(caught.value)


def test_custom_experiment_declares_its_file_keys(model):
    class Table(ConfigModel):
        """A table."""

        text: str = setting(help="A text.", file=True)

    class Study(ConfigModel):
        """A config."""

        tables: tuple[Table, ...] | None = setting(None, help="Tables.")

    assert list(config_keys.file_keys(Study)) == ["tables.text"]


@pytest.mark.parametrize("kind", ["fifo", "zero", "large"])
def test_endless_file_is_refused_at_once(model, kind):
    path = model.parent / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(10**11)
    reason = "it has more than 4 MB" if kind == "large" else "it is not a regular file"
    with pytest.raises(ConfigError, match=reason):
        resolved(settings=[f"sbml.model=file:{path}"])
    study = path.with_suffix(".toml")
    path.rename(study)
    with pytest.raises(ConfigError, match=f"Cannot read the config .*{kind}.toml: {reason}"):
        resolved(file=study)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("absent.ant", "No such file or directory"),
        ("", "Is a directory"),
        ("../models", "Is a directory"),
        ("binary.ant", "it is not UTF-8 text: byte 0xff in line 1"),
    ],
)
def test_unreadable_file_is_named_with_its_key(model, path, reason):
    (model.parent / "binary.ant").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        insert_texts({"sbml": {"models": ["x", f"file:{path}"]}}, model.parent, ["sbml.models"])
    message = str(caught.value)
    assert message.startswith("Config key 'sbml.models.1' names the file ")
    assert message.endswith(f"cannot be read: {reason}.")
    assert str(model.parent / path) in message
    assert "\n" not in message
