"""A config merged from its layers, and the messages for invalid ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebatch.errors import ConfigError, UnknownNameError
from lakebatch.experiment import registry
from lakebatch.experiment.config import Layer, check, describe, from_record, merge, preset_names, resolve
from lakebatch.experiment.config_files import parse_setting, read_file
from lakebatch.experiment.contract import ConfigModel, setting

NAMES = st.sampled_from("abc")
LEAVES = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3)
TREES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=3),
    lambda below: st.dictionaries(NAMES, below | LEAVES, max_size=3),
    max_leaves=10,
)


class Drug(ConfigModel):
    """A drug."""

    dose: float = setting(500.0, help="Dose.", unit="a.u.", ge=0)
    targets: tuple[str, ...] = setting(("R1",), help="Targets.")


class Study(ConfigModel):
    """A config with a table, a list of tables and a bound."""

    n_samples: int = setting(100, help="Samples.", unit="1", ge=10)
    noise: str = setting("additive", help="Kind of noise.")
    drug: Drug = setting(Drug(), help="The drug.")
    drugs: tuple[Drug, ...] = setting((), help="More drugs.")


def refused(*layers):
    with pytest.raises(ConfigError) as caught:
        check(Study, layers)
    return str(caught.value)


@pytest.fixture
def presets(tmp_path, toy):
    """Return the source of the toy, with a folder for its presets."""
    (tmp_path / "experiments" / "presets").mkdir()
    return registry.get(toy)


def test_later_layers_win_and_each_key_knows_its_origin(tmp_path, presets):
    (tmp_path / "experiments" / "presets" / "small.toml").write_text(
        "levels = [0.0, 0.3]\nseed = 2\n[experiment.toy]\nbreach = 'no row'\n[experiment.other]\nseed = 9\n"
    )
    (tmp_path / "mine.toml").write_text("seed = 3\nat_once = true\n")
    resolved = resolve(
        presets,
        registry.load(presets),
        preset="small",
        file=tmp_path / "mine.toml",
        settings=["at_once=false", "fail=[0.3]", "fail=[0.0]"],
        overrides={"levels": [0.0]},
    )
    assert resolved.model.model_dump(exclude_defaults=True) == {
        "levels": (0.0,), "seed": 3, "breach": "no row", "fail": (0.0,),
    }  # fmt: skip
    origins = {row["key"]: row["origin"] for row in describe(resolved)}
    assert origins == {
        "levels": "option", "seed": str(tmp_path / "mine.toml"), "at_once": "--set", "fail": "--set",
        "breach": "preset small", "die": "default", "die_once": "default", "wait": "default",
    }  # fmt: skip


def test_description_has_value_unit_and_meaning_of_every_key():
    rows = list(describe(check(Study, [Layer("--set", {"drug": {"dose": 3}})])))
    assert [row["key"] for row in rows] == ["n_samples", "noise", "drug.dose", "drug.targets", "drugs"]
    assert rows[2] == {
        "key": "drug.dose",
        "value": "3.0",
        "unit": "a.u.",
        "origin": "--set",
        "meaning": "Dose.",
    }
    assert rows[3]["value"] == '["R1"]'


def test_entry_of_a_list_is_set_by_its_index():
    layers = [
        Layer("file", {"drugs": [{"dose": 1}, {"dose": 2}]}),
        Layer("--set", parse_setting("drugs.1.dose=7")),
    ]
    assert [drug.dose for drug in check(Study, layers).model.drugs] == [1, 7]
    assert merge({"a": [1, [2, 3]]}, {"a": {"0": 9}}) == {"a": [9, [2, 3]]}


def test_index_past_the_end_of_a_list_is_named():
    with pytest.raises(ConfigError, match=r"'drugs.2' is past the end of 'drugs', which has 1 entries"):
        merge({"drugs": [{"dose": 1}]}, parse_setting("drugs.2.dose=7"))


def test_value_out_of_bounds_is_named_with_expectation_and_origin():
    assert refused(Layer("--set", {"n_samples": 3})) == (
        "Config key 'n_samples' is 3 (from --set). Expected greater than or equal to 10."
    )
    assert refused(Layer("my.toml", {"drug": {"dose": "high"}})).startswith(
        "Config key 'drug.dose' is 'high' (from my.toml). Expected a valid number"
    )


def test_error_in_a_list_is_named_with_its_index():
    message = refused(Layer("my.toml", {"drugs": [{"dose": 1}, {"dose": -2}]}))
    assert message == "Config key 'drugs.1.dose' is -2 (from my.toml). Expected greater than or equal to 0."


def test_unknown_key_is_named_with_the_right_ones():
    assert refused(Layer("--set", {"drug": {"doze": 1}})) == (
        "Unknown config key 'drug.doze' (from --set). Did you mean 'dose'? Known: dose, targets."
    )


def test_all_errors_are_named_at_once():
    message = refused(Layer("a", {"n_samples": 1, "noise": 5}), Layer("b", {"drug": {"dose": None}, "x": 1}))
    for key, origin in (("n_samples", "a"), ("noise", "a"), ("drug.dose", "b"), ("x", "b")):
        assert f"'{key}'" in message
        assert f"(from {origin})" in message


def test_missing_key_is_named_with_how_to_set_it():
    class Needy(ConfigModel):
        """A config without a default."""

        name: str = setting(help="A name.")

    with pytest.raises(
        ConfigError,
        match=r"Config key 'name' is missing. Set it with overrides=\{'name': VALUE\} \(--set name=VALUE\)",
    ):
        check(Needy, [])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_that_is_not_finite_is_refused(value):
    assert "'drug.dose'" in refused(Layer("--set", {"drug": {"dose": value}}))


def test_config_survives_its_record():
    model = check(Study, [Layer("x", {"drugs": [{"dose": 1}], "n_samples": 11})]).model
    assert from_record(Study, json.loads(json.dumps(model.model_dump(mode="json")))) == model
    with pytest.raises(ConfigError, match="from the assembly's record"):
        from_record(Study, {"n_samples": 1})


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a=1", {"a": 1}),
        ("a = 1.5", {"a": 1.5}),
        ("a.b.c=true", {"a": {"b": {"c": True}}}),
        ("a=[0, 0.1]", {"a": [0, 0.1]}),
        ("a=text", {"a": "text"}),
        ('a="1"', {"a": "1"}),
        ("a=x=y", {"a": "x=y"}),
        ("a=", {"a": ""}),
        ("a={b = 1}", {"a": {"b": 1}}),
    ],
)
def test_setting_is_read_as_toml_or_as_text(text, tree):
    assert parse_setting(text) == tree


@pytest.mark.parametrize("text", ["", "a", "=1", "a..b=1", ".a=1"])
def test_malformed_setting_is_refused(text):
    with pytest.raises(ConfigError, match=r"Expected key=value, e.g. cohort.n_samples=200"):
        parse_setting(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.toml", "n_samples = 20\n[drug]\ndose = 1.5\n"),
        ("c.yaml", "n_samples: 20\ndrug:\n  dose: 1.5\n"),
        ("c.yml", "{n_samples: 20, drug: {dose: 1.5}}"),
        ("c.json", '{"n_samples": 20, "drug": {"dose": 1.5}}'),
    ],
)
def test_file_is_read_by_its_extension(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_file(tmp_path / name) == {"n_samples": 20, "drug": {"dose": 1.5}}


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("c.ini", "", "Expected a name that ends in .toml, .yaml, .yml, .json"),
        ("c.toml", "a = ", "Cannot read the config .*c.toml: "),
        ("c.json", "{", "Cannot read the config .*c.json: "),
        ("c.yaml", "a: [", "Cannot read the config .*c.yaml: "),
        ("c.json", "[1]", "holds list. Expected a table of keys"),
        ("c.yaml", "", "holds NoneType. Expected a table of keys"),
        ("absent.toml", None, "Cannot read the config .*absent.toml: No such file or directory"),
    ],
)
def test_file_that_cannot_be_read_is_named(tmp_path, name, text, fault):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=fault):
        read_file(tmp_path / name)


def test_presets_are_the_toml_files_beside_the_experiment(tmp_path, presets):
    for name in ("small.toml", "README.md", "notes"):
        (tmp_path / "experiments" / "presets" / name).touch()
    assert preset_names(presets, registry.load(presets)) == ["guide", "small"]


def test_unknown_preset_is_named_with_the_right_ones(presets):
    with pytest.raises(UnknownNameError, match=r"Unknown preset 'guid'. Did you mean 'guide'. Known: guide"):
        resolve(presets, registry.load(presets), preset="guid")


@given(TREES, TREES)
def test_merge_prefers_values_of_the_later_tree(base, over):
    merged = merge(base, over)
    assert merged.keys() == base.keys() | over.keys()
    for key in merged:
        if key not in over:
            assert merged[key] == base[key]
        elif isinstance(base.get(key), dict) and isinstance(over[key], dict):
            assert merged[key] == merge(base[key], over[key])
        elif not (isinstance(base.get(key), list) and over[key] == {}):
            assert merged[key] == over[key]


@given(TREES, TREES)
def test_merge_is_idempotent_and_keeps_its_arguments(base, over):
    before = json.dumps([base, over])
    merged = merge(base, over)
    assert merge(merged, over) == merged
    assert merge(base, {}) == base
    assert merge({}, over) == over
    for tree in (merged, *merged.values()):
        if isinstance(tree, dict | list):
            tree.clear()
    assert json.dumps([base, over]) == before
