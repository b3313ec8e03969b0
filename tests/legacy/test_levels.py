"""Levels: different spellings of one number are the same level."""

from hypothesis import given
from hypothesis import strategies as st

from lakebatch.legacy.frames.levels import as_level, level_text, same_id

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_every_text_of_a_level_is_the_same_id(level):
    texts = {repr(level), f"{level:.17g}", f"{level:.20e}", f" {level!r} ", str(level).upper()}
    texts |= {str(int(level))} if level.is_integer() else {f"{level!r}0"} if "e" not in repr(level) else set()
    assert {same_id(text) for text in texts} == {same_id(level)}


@given(finite)
def test_level_survives_its_text(level):
    assert as_level(level_text(level)) == level
    assert "_" not in level_text(level)


@given(finite, finite)
def test_two_levels_are_two_ids(one, other):
    assert (same_id(one) == same_id(other)) == (one == other)


@given(st.text(max_size=12))
def test_other_strings_are_kept(text):
    if as_level(text) is None:
        assert same_id(text) == text.strip()


def test_spellings_of_zero_and_a_tenth():
    assert {same_id(text) for text in (0, 0.0, -0.0, "0", "0.0", "0.00", "+0", "-0", "0e5")} == {"0"}
    assert {same_id(text) for text in (0.1, "0.1", "1e-1", ".1", "0.10", "1E-01")} == {"0.1"}


def test_string_that_is_no_number_is_no_level():
    assert [as_level(text) for text in ("nan", "inf", "1_0", "0x1", "", "1e999", True, None, "٣")] == [
        None
    ] * 9
