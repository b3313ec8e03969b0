"""A value written as ``file:PATH`` is the text of that file."""

from __future__ import annotations

import pytest

from lakebatch import registry
from lakebatch.config import insert_texts, resolve
from lakebatch.errors import ConfigError

NAME = "response-noise"
TEXT = "A -> B; k * A; k = 0.1\nA = 10; B = 0\n"


def resolved(**layers):
    source = registry.get(NAME)
    return resolve(source, registry.load(source), **layers)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Write a model into a folder of its own, and work in another one."""
    for name in ("models", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file = tmp_path / "models" / "decay.ant"
    file.write_text(TEXT)
    return file


def test_file_of_a_setting_starts_in_the_working_directory(model):
    config = resolved(settings=["sbml.model=file:../models/decay.ant", "sbml.outcome=B"])
    assert config.model.sbml.model == TEXT
    assert config.origin("sbml.model") == "--set"


def test_file_of_an_override_starts_in_the_working_directory(model):
    config = resolved(overrides={"sbml": {"model": "file:../models/decay.ant", "outcome": "B"}})
    assert config.model.sbml.model == TEXT


@pytest.mark.parametrize("name", ["study.toml", "study.yaml", "study.json"])
def test_file_of_a_config_file_starts_beside_it(model, name):
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


def test_files_are_found_at_any_depth_and_other_values_stay(model):
    tree = {"a": [{"b": "file:decay.ant"}, "c"], "d": "a file:decay.ant", "e": 1, "f": None, "g": {}}
    assert insert_texts(tree, model.parent) == {**tree, "a": [{"b": TEXT}, "c"]}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("absent.ant", "No such file or directory"),
        ("", "Is a directory"),
        ("../models", "Is a directory"),
        ("binary.ant", "it is not UTF-8 text"),
    ],
)
def test_file_that_cannot_be_read_is_named_with_its_key(model, path, reason):
    (model.parent / "binary.ant").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        insert_texts({"sbml": {"models": ["x", f"file:{path}"]}}, model.parent)
    message = str(caught.value)
    assert message.startswith("Config key 'sbml.models.1' names the file ")
    assert message.endswith(f"cannot be read: {reason}.")
    assert str(model.parent / path) in message
    assert "\n" not in message
