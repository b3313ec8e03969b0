"""A pickle as a description of what it would build; nothing in it is imported, called or built.

Every name that a pickle refers to must be on the list, and even those are only noted: `load` gives a tree of `Inert`
nodes that says which of them was to be called with what. `lakebatch.legacy.pickles.pickled` then builds frames from
such trees itself. So neither the packages that wrote a pickle nor their versions matter, and no code of theirs runs.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

from lakebatch.errors import LegacyError
from lakebatch.legacy.frames.columns import brief

ALLOWED: dict[str, tuple[str, ...]] = {
    "DataFrame": ("pandas.DataFrame", "pandas.core.frame.DataFrame"),
    "BlockManager": ("pandas.core.internals.managers.BlockManager", "pandas.core.internals.BlockManager"),
    "block": ("pandas._libs.internals._unpickle_block",),
    "new_index": ("pandas.core.indexes.base._new_Index",),
    "Index": (
        "pandas.Index",
        "pandas.core.indexes.base.Index",
        "pandas.core.indexes.numeric.Int64Index",
        "pandas.core.indexes.numeric.UInt64Index",
        "pandas.core.indexes.numeric.Float64Index",
    ),
    "RangeIndex": ("pandas.RangeIndex", "pandas.core.indexes.range.RangeIndex"),
    "slice": ("builtins.slice", "__builtin__.slice"),
    "ndarray": ("numpy.ndarray",),
    "dtype": ("numpy.dtype",),
    "reconstruct": ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    "frombuffer": ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"),
    "scalar": ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    "encode": ("_codecs.encode",),
    "bytearray": ("builtins.bytearray", "__builtin__.bytearray"),
    "backed": ("pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",),
    "DatetimeArray": ("pandas.arrays.DatetimeArray", "pandas.core.arrays.datetimes.DatetimeArray"),
    "Categorical": ("pandas.Categorical", "pandas.core.arrays.categorical.Categorical"),
    "CategoricalDtype": ("pandas.CategoricalDtype", "pandas.core.dtypes.dtypes.CategoricalDtype"),
    "StringArray": ("pandas.arrays.StringArray", "pandas.core.arrays.string_.StringArray"),
    "ArrowStringArray": (
        "pandas.arrays.ArrowStringArray",
        "pandas.core.arrays.string_arrow.ArrowStringArray",
        "pandas.core.arrays.string_arrow.ArrowStringArrayNumpySemantics",
    ),
    "masked": (
        "pandas.arrays.IntegerArray",
        "pandas.arrays.FloatingArray",
        "pandas.arrays.BooleanArray",
        "pandas.core.arrays.integer.IntegerArray",
        "pandas.core.arrays.floating.FloatingArray",
        "pandas.core.arrays.boolean.BooleanArray",
    ),
    "NA": ("pandas.NA", "pandas._libs.missing.NA"),
    "arrow_chunks": ("pyarrow.lib.chunked_array",),
    "arrow_array": ("pyarrow.lib._restore_array",),
    "arrow_buffer": ("pyarrow.lib.py_buffer",),
    "arrow_type": ("pyarrow.lib.type_for_alias",),
    # what says of which type or zone something is, and is never looked at
    "label": (
        "pandas.StringDtype",
        "pandas.core.arrays.string_.StringDtype",
        "pandas.BooleanDtype",
        "pandas.core.arrays.boolean.BooleanDtype",
        "pandas.DatetimeTZDtype",
        "pandas.core.dtypes.dtypes.DatetimeTZDtype",
        *(
            f"{module}{sign}Int{bits}Dtype"
            for module in ("pandas.", "pandas.core.arrays.integer.")
            for sign in ("", "U")
            for bits in (8, 16, 32, 64)
        ),
        *(
            f"{module}Float{bits}Dtype"
            for module in ("pandas.", "pandas.core.arrays.floating.")
            for bits in (32, 64)
        ),
        "builtins.getattr",
        "__builtin__.getattr",
        "zoneinfo.ZoneInfo",
        "zoneinfo._common.ZoneInfo",
        "pytz._p",
        "pytz._UTC",
        "datetime.timezone",
        "datetime.timedelta",
    ),
}
"""What a frame's pickle may refer to, by what it is to `lakebatch.legacy.pickles.pickled`."""
MEMO = ("PUT", "BINPUT", "LONG_BINPUT")
WHAT = {name: what for what, names in ALLOWED.items() for name in names}


class Inert:
    """A call that is noted and not made: what would be called, with what, and the state given afterwards."""

    what = ""
    name = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **_: Any) -> Inert:
        """Note the arguments."""
        node = object.__new__(cls)
        node.args, node.state = args, None
        return node

    def __call__(self, *args: Any) -> Inert:
        """Note that what the call gives is called."""
        return _kind("label", f"{self.name}()")(self, *args)

    def __setstate__(self, state: Any) -> None:
        """Note the state."""
        self.state = state

    def __repr__(self) -> str:
        return f"{self.name}{self.args!r}"


def load(data: bytes) -> Any:
    """Return what a pickle says, as plain values and `Inert` nodes.

    Raises
    ------
    LegacyError
        If it refers to anything that is not on the list, or is no whole pickle.
    """
    try:
        _check_sizes(data)
        return _Reader(io.BytesIO(data)).load()
    except LegacyError:
        raise
    except RecursionError as error:
        raise LegacyError("it is nested too deeply for a data frame") from error
    except Exception as error:  # a broken pickle can fail in any way
        raise LegacyError(f"it is not a whole pickle ({type(error).__name__}: {brief(error)})") from error


class _Reader(pickle.Unpickler):
    """Reads a pickle with a stand-in for everything that it refers to."""

    def find_class(self, module: str, name: str) -> type[Inert]:
        full = f"{module}.{name}"
        if full not in WHAT:
            raise LegacyError(f"it refers to {full}, which is no part of a data frame; nothing of it was run")
        return _kind(WHAT[full], full)

    def persistent_load(self, pid: Any) -> Any:
        raise LegacyError("it refers to something outside of itself")


def _check_sizes(data: bytes) -> None:
    """Refuse a pickle that says it is larger than it is, before memory is taken for that."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in MEMO and argument is not None and argument > len(data):
            raise LegacyError(f"it numbers an object {argument}, which is more than it can hold")


def _kind(what: str, name: str) -> type[Inert]:
    return type(name.rpartition(".")[2], (Inert,), {"what": what, "name": name})
