"""Config files that are ambiguous, nested too deeply, or of other encodings."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lakebatch.errors import ConfigError
from lakebatch.experiment import registry
from lakebatch.experiment.config import read_preset, resolve
from lakebatch.experiment.config_files import parse_setting, read_file
from lakebatch.experiment.yaml_files import load
from lakebatch.settings import read_settings

DEEP = 100_000


def bomb(entry: str) -> str:
    """Return YAML in which each line repeats the one before it nine times."""
    lines = [f"a: &a {entry.format('{k: v}')}"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} {entry.format(', '.join([f'*{before}'] * 9))}")
    return "\n".join(lines)


HOSTILE = {
    "lists.toml": "a = " + "[" * DEEP,
    "tables.toml": "a = " + "{a = " * DEEP,
    "keys.toml": "a." * DEEP + "a = 1",
    "inner-keys.toml": "b = {" + "a." * DEEP + "a = 1}",
    "headers.toml": "[" + "a." * 100 + "a]\n",
    "lists.json": '{"a": ' + "[" * DEEP,
    "tables.json": '{"a": ' * DEEP,
    "closed.json": '{"a": ' + "[" * 200 + "]" * 200 + "}",
    "lists.yaml": "a: " + "[" * DEEP,
    "tables.yaml": "{a: " * DEEP,
    "dashes.yaml": "- " * DEEP,
    "endless.yaml": "a: &a [*a]",
    "bomb.yaml": bomb("[{}]"),
    "merges.yaml": bomb("{{<<: [{}]}}"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_oversized_file_is_refused_at_once(tmp_path, name):
    (tmp_path / name).write_text(HOSTILE[name])
    began = time.process_time()
    with pytest.raises(
        ConfigError, match=r"it is nested in more than 64 levels|it has more than 100000 values"
    ) as caught:
        read_file(tmp_path / name)
    assert time.process_time() - began < 5
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text", ["a=" + "[" * DEEP, "a=" + "{a=" * DEEP, "a=" + "a." * DEEP + "a", "a." * DEEP + "a=1"]
)
def test_oversized_setting_is_one_line_or_a_string(text):
    if text.startswith("a=a"):
        assert parse_setting(text) == {"a": text.removeprefix("a=")}
    else:
        with pytest.raises(ConfigError, match="Cannot read ") as caught:
            parse_setting(text)
        assert len(str(caught.value)) < 500


def test_second_key_in_a_setting_is_not_dropped():
    assert parse_setting("a=1\nb = 2") == {"a": "1\nb = 2"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"a": {"b": 1, "b": 2}}'),
        ("c.yaml", "a:\n  b: 1\n  'b': 2\n"),
        ("c.yml", "{b: 1, ? b : 2}"),
    ],
)
def test_duplicate_key_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=r"the key 'b' .*is there twice"):
        read_file(tmp_path / name)


def test_yaml_is_read_as_version_1_2():
    assert load("[010, 0o10, 0x1F, -7, 1:30, 1_000, 1e3, .5, yes, NO, on, true, ~, 2026-01-01, =, '010', 0b1]") == [
        10, 8, 31, -7, "1:30", "1_000", 1000.0, 0.5, "yes", "NO", "on", True, None, "2026-01-01", "=", "010", "0b1",
    ]  # fmt: skip
    assert load("{yes: 1, 010: 2, null: 3}") == {"yes": 1, "010": 2, "null": 3}
    assert load("a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}")["b"] == {"x": 2, "y": 1}
    assert load("") is None


@pytest.mark.parametrize(
    "text", ["!!python/name:os.system ''", "!!binary aGk=", "!!set {a}", "[a]: 1", "a: 1\n---\nb: 2"]
)
def test_yaml_beyond_plain_data_is_refused(text):
    with pytest.raises(ValueError, match=r"is not known|is a table or a list|another document"):
        load(text)


@pytest.mark.parametrize("name", ["c.toml", "c.yaml", "c.json"])
@pytest.mark.parametrize("sign", [b"\0", b"\x1a", b"\x7f"], ids=["nul", "ctrl-z", "delete"])
def test_control_character_in_a_config_is_refused(tmp_path, name, sign):
    text = {"c.toml": "a = 1\n", "c.yaml": "a: 1\n", "c.json": '{"a": 1}\n'}[name]
    (tmp_path / name).write_bytes(text.encode() + sign)
    with pytest.raises(ConfigError, match=f"^Cannot read the config .*{name}: "):
        read_file(tmp_path / name)
    (tmp_path / name).write_text(text, encoding="utf-16-be")
    with pytest.raises(ConfigError, match=f"^Cannot read the config .*{name}: "):
        read_file(tmp_path / name)


@pytest.mark.parametrize("name", ["c.toml", "c.yaml", "c.json"])
def test_byte_order_mark_is_skipped_and_other_encodings_are_named(tmp_path, name):
    text = {"c.toml": "a = 1\n", "c.yaml": "a: 1\n", "c.json": '{"a": 1}\n'}[name]
    file = tmp_path / name
    file.write_text(text, encoding="utf-8-sig")
    assert read_file(file) == {"a": 1}
    file.write_bytes(b"\n" + text.encode() + b"# caf\xe9")
    with pytest.raises(ConfigError, match=f"{name}: it is not UTF-8 text: byte 0xe9 in line 3"):
        read_file(file)
    file.write_text(text, encoding="utf-16")
    with pytest.raises(ConfigError, match="it is not UTF-8 text: byte 0xff in line 1"):
        read_file(file)


def test_presets_are_read_like_configs(toy, tmp_path):
    folder = tmp_path / "experiments" / "presets"
    folder.mkdir()
    source = registry.get(toy)
    experiment = registry.load(source)
    (folder / "small.toml").write_text("levels = [0.0]\n", encoding="utf-8-sig")
    assert read_preset(source, experiment, "small")[0] == {"levels": [0.0]}
    for text in ("a = " + "[" * DEEP, "experiment = 1", "experiment.toy = 1", "a = ", "a = 1\na = 2"):
        (folder / "small.toml").write_text(text)
        with pytest.raises(ConfigError, match=r"small\.toml"):
            read_preset(source, experiment, "small")


@pytest.mark.parametrize(
    "key",
    [
        "evaluation.n_reps", "evaluation.seed", "cohort.n_samples", "simulation.n_points", "simulation.max_steps",
        "spec.n_layers", "spec.n_cascades", "spec.n_regs", "nobody",
    ],
)  # fmt: skip
def test_huge_number_is_one_line(key):
    source = registry.get("response-noise")
    experiment = registry.load(source)
    for number in (
        "99999999999999999999",
        "-99999999999999999999",
        "9999999999999999999999999e9",
        "9" * 5000,
    ):
        with pytest.raises(ConfigError, match=r"\. (Expected|Unable|Known|n_regs)|expected"):
            resolve(source, experiment, settings=[f"{key}={number}"])


@pytest.mark.parametrize(
    "key", ["evaluation.n_reps", "cohort.n_samples", "simulation.n_points", "spec.n_layers"]
)
def test_number_out_of_bounds_is_refused(key):
    source = registry.get("response-noise")
    with pytest.raises(
        ConfigError, match=f"'{key}' is {10**10} .from --set.. Expected less than or equal to"
    ):
        resolve(source, registry.load(source), settings=[f"{key}={10**10}"])


def test_minus_zero_is_the_baseline():
    source = registry.get("response-noise")
    experiment = registry.load(source)
    assert [
        part.key for part in experiment.parts(resolve(source, experiment, settings=["levels=[-0.0]"]).model)
    ] == ["level=0"]
    with pytest.raises(ConfigError, match="levels has 0 twice"):
        resolve(source, experiment, overrides={"levels": [0.0, -0.0]})


@pytest.mark.parametrize("text", ["a = " + "[" * DEEP, "a." * DEEP + "a = 1", "models = ['\udcff']", None])
def test_unreadable_project_file_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    if text is None:
        os.mkfifo("lakebatch.toml")
    else:
        Path("lakebatch.toml").write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError, match=r"Cannot read .*lakebatch.toml: it is n.* Expected TOML\.$"):
        read_settings()
