"""Frames are read from pickles of any age without running any of their code; everything else is refused."""

import builtins
import datetime
import functools
import operator
import os
import pickle
import random
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lakebatch.errors import LegacyError
from lakebatch.legacy.frames.columns import storable
from lakebatch.legacy.pickles.inert import WHAT, Inert, load
from lakebatch.legacy.pickles.pickled import read_pickle

PICKLES = sorted((Path(__file__).parent / "pickles").glob("*.pkl"))
"""The same frame, written by three versions of pandas and numpy with the oldest and the newest protocol."""
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


class Reduces:
    """Object that is pickled as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("file", PICKLES, ids=[file.stem for file in PICKLES])
def test_frame_of_every_version_is_read(file):
    frame = read_pickle(file.read_bytes())
    assert frame.height == 6
    assert frame["R2 Score"].to_list() == [0.1, 0.2, 0.3, None, -5.5, 0.5]
    assert frame["Model"].to_list() == ["Linear Regression", "Random Forest"] * 3
    assert frame["flag"].to_list() == [True, False] * 3
    assert frame["nullable"].to_list() == [1, 2, None] * 2
    assert frame["nb"].to_list() == [True, None, False] * 2
    assert frame["text_array"].to_list() == ["x", None, "z"] * 2
    assert frame["cat"].to_list() == ["a", "b", None] * 2
    assert frame["np obj"].to_list() == [1.5, 3.0, None, 1.0, 2.0, 3.5]
    assert frame["when"][1] == datetime.datetime(2025, 12, 16, 14, 22, 31)
    assert frame["when_tz"][0] == datetime.datetime(2025, 12, 15, 23, tzinfo=datetime.UTC)
    assert frame.schema["small"] == pl.Int8
    assert frame.schema["f32"] == pl.Float32


def test_pickles_of_all_versions_hold_the_same_frame():
    frames = [storable(read_pickle(file.read_bytes())) for file in PICKLES]
    assert len(frames) == 6
    assert all(frame.equals(frames[0]) and frame.schema == frames[0].schema for frame in frames)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_frame_of_the_installed_pandas_is_read(protocol):
    frame = pd.DataFrame(
        {
            "text": ["a", None, "ü"],
            "number": [1.5, np.nan, np.inf],
            "count": [1, 2, 3],
            "time": pd.to_datetime(["2025-01-01", None, "2025-01-03"]),
            "bytes": np.array([1, 2, 255], dtype="uint8"),
            "big": np.array([1.0, 2.0, 3.0], dtype=">f8"),
            "half": np.array([1.0, 2.0, 3.0], dtype="f2"),
        }
    )
    found = read_pickle(pickle.dumps(frame, protocol=protocol))
    assert found["text"].to_list() == ["a", None, "ü"]
    assert found["number"].to_list() == [1.5, None, float("inf")]
    assert found["time"].to_list() == [datetime.datetime(2025, 1, 1), None, datetime.datetime(2025, 1, 3)]
    for name in ("count", "bytes", "big", "half"):
        assert found[name].to_list() == frame[name].tolist()


def test_index_with_labels_is_kept():
    frame = pd.DataFrame({"Model": ["a", "b"], "r2": [0.1, 0.2]})
    assert read_pickle(pickle.dumps(frame.set_index("Model"))).columns == ["Model", "r2"]
    assert read_pickle(pickle.dumps(frame.iloc[::-1])).columns == ["Model", "r2"]
    named = frame.set_index(pd.Index(["x", "y"]))
    assert read_pickle(pickle.dumps(named))["index"].to_list() == ["x", "y"]


HOSTILE = {
    "os.system": Reduces(os.system, "touch here"),
    "eval": Reduces(builtins.eval, "open('here', 'w')"),
    "exec": Reduces(builtins.exec, "open('here', 'w')"),
    "open": Reduces(builtins.open, "here", "w"),
    "__import__": Reduces(builtins.__import__, "os"),
    "subprocess": Reduces(subprocess.check_output, ["touch", "here"]),
    "functools.partial": Reduces(functools.partial, os.system, "touch here"),
    "operator.attrgetter": Reduces(operator.attrgetter, "system"),
    "pandas.read_pickle": Reduces(pd.read_pickle, "here"),
    "pandas.eval": Reduces(pd.eval, "1"),
    "numpy.load": Reduces(np.load, "here", None, True),
    "numpy.fromfile": Reduces(np.fromfile, "here"),
    "pyarrow.memory_map": Reduces(pa.memory_map, "here"),
    "pathlib": Reduces(Path, "here"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_everything_else_is_refused_by_name_and_not_run(name, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = pd.DataFrame({"x": [HOSTILE[name]]}, dtype=object)
    for thing in (HOSTILE[name], inside, [inside]):
        with pytest.raises(LegacyError, match="which is no part of a data frame; nothing of it was run"):
            read_pickle(pickle.dumps(thing, protocol=protocol))
    assert not list(tmp_path.iterdir())


def by_hand(*lines):
    """Return a pickle written opcode by opcode."""
    return b"".join(lines) + b"."


@pytest.mark.parametrize(
    "data",
    [
        # pandas 3 writes builtins.getattr into its pickles, so the name is on the list: it must do nothing
        by_hand(b"cbuiltins\ngetattr\n(cnumpy\nndarray\nS'tofile'\ntR(S'here'\ntR"),
        by_hand(b"cbuiltins\ngetattr\n(cpandas\nDataFrame\nS'to_csv'\ntR(S'here'\ntR"),
        # attributes reached through an allowed name
        by_hand(b"\x80\x04cpandas\nDataFrame.to_csv\n(tR"),
        by_hand(b"cpandas\nio.common.os.system\n(S'touch here'\ntR"),
        # state set on a class or function, to change it for the whole process
        by_hand(b"cpandas\nDataFrame\n(N}S'__init__'\ncbuiltins\nbytearray\nstb"),
        by_hand(b"cpandas.core.indexes.base\n_new_Index\n}S'__code__'\nNsb"),
        by_hand(b"P1\n"),
        by_hand(b"\x80\x05\x97"),
    ],
)
def test_misuse_of_allowed_names_does_nothing(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = pd.DataFrame.__init__
    with pytest.raises(LegacyError):
        read_pickle(data)
    assert pd.DataFrame.__init__ is before
    assert not list(tmp_path.iterdir())


def test_loaded_pickle_holds_only_plain_values_and_inert_objects():
    def walk(value):
        if isinstance(value, Inert):
            yield from walk([value.args, value.state])
        elif isinstance(value, dict):
            yield from walk([*value.keys(), *value.values()])
        elif isinstance(value, list | tuple):
            for each in value:
                yield from walk(each)
        else:
            yield value

    plain = (str, bytes, bytearray, int, float, bool, type(None))
    for file in PICKLES:
        values = list(walk(load(file.read_bytes())))
        assert values
        assert all(isinstance(value, plain) or issubclass(value, Inert) for value in values)


def test_allow_list_names_single_objects_and_never_a_module():
    assert all(name.rpartition(".")[0] and "*" not in name for name in WHAT)
    assert not {name for name in WHAT if name.startswith(("os.", "posix.", "subprocess.", "importlib."))}
    runnable = {
        "builtins.eval",
        "builtins.exec",
        "builtins.open",
        "builtins.__import__",
        "pandas.read_pickle",
        "pandas.eval",
    }
    assert not runnable & WHAT.keys()


@pytest.mark.parametrize("holds", [{"a": 1}, [1, 2], "text", 3.5, None, np.arange(3), pd.Series([1, 2])])
def test_pickle_without_a_frame_is_refused(holds):
    with pytest.raises(LegacyError, match="data frame"):
        read_pickle(pickle.dumps(holds))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"x": [{"a": 1}]}), "one of its values is a dict"),
        (pd.DataFrame({"x": ["a", 1]}), "mixes int and str"),
        (pd.DataFrame({"x": [1, True]}, dtype=object), "mixes bool and int"),
        (pd.DataFrame({"x": [2**60, 0.5]}, dtype=object), "integers too large"),
        (pd.DataFrame({"x": pd.to_timedelta([1], unit="s")}), "TimedeltaArray|type 'm8'"),
        (pd.DataFrame({("a", "b"): [1]}), "MultiIndex|several levels"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "two of its columns are called 'x'"),
    ],
)
def test_frame_that_cannot_be_stored_exactly_is_refused_with_the_reason(frame, message):
    with pytest.raises(LegacyError, match=message):
        read_pickle(pickle.dumps(frame))


def test_damaged_pickles_give_one_error_or_a_frame():
    rng = random.Random(1)
    for file in PICKLES:
        whole = file.read_bytes()
        for _ in range(150):
            damaged = bytearray(whole[: rng.choice([len(whole), rng.randrange(len(whole))])])
            for _ in range(rng.randrange(4)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256) if damaged else 0
            try:
                assert isinstance(read_pickle(bytes(damaged)), pl.DataFrame)
            except LegacyError as error:
                assert "\n" not in str(error)  # noqa: PT017


def test_arrow_offsets_out_of_range_are_refused():
    frame = pd.DataFrame({"t": pd.array(["abc", "def", "ghi"], dtype="string[pyarrow]")})
    data = pickle.dumps(frame, protocol=5)
    offsets = np.array([0, 3, 6, 9], dtype="<i8").tobytes()
    assert data.count(offsets) == 1
    assert read_pickle(data)["t"].to_list() == ["abc", "def", "ghi"]
    for wrong in ([0, 3, 6, 2**40], [0, 2**40, 6, 9], [0, -5, 6, 9]):
        with pytest.raises(LegacyError, match="not one that pandas writes"):
            read_pickle(data.replace(offsets, np.array(wrong, dtype="<i8").tobytes()))


def test_pickle_that_claims_a_large_size_takes_no_memory():
    with pytest.raises(LegacyError, match="it numbers an object 16777216"):
        read_pickle(b"\x80\x02}r" + (2**24).to_bytes(4, "little") + b".")
