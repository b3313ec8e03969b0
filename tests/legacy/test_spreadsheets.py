"""CSV files and lists that were opened and saved in a spreadsheet."""

import pytest

from lakebatch.errors import LegacyError
from lakebatch.legacy.files import _check_level, _check_levels_are_numbers, decode
from lakebatch.legacy.frames.results import to_results
from lakebatch.legacy.names import read_list

HEADER = "Model,R2 Score,Mean Squared Error,Response Noise Level\n"


def rows(text, level=None):
    """Return r2, mse, level and error of each row of a CSV file."""
    results = to_results(decode(text.encode(), "csv"), level)
    return results.rows.select("r2", "mse", "level", "error").rows()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{HEADER}A,"0,53","12,5","0,1"\n', [(0.53, 12.5, 0.1, None)]),
        (f'{HEADER}A,"5,3E-01","1,2e+01","0,1"\n', [(0.53, 12.0, 0.1, None)]),
        (f'{HEADER}A,-0.0,0.1,1e-1\nB,0.5,"2,5",0.10\n', [(0, 0.1, 0.1, None), (0.5, None, 0.1, "mse was '2,5'")]),
        (f'{HEADER}A,0.5,"1,234.5",0.1\n', [(0.5, None, 0.1, "mse was '1,234.5'")]),
        (f'{HEADER}A,0.5,"1,234",0.1\n', [(0.5, None, 0.1, "mse was '1,234'")]),
        (f"{HEADER}A,50%,2,10%\n", [(None, 2.0, 0.1, "r2 was '50%'")]),
        (f"{HEADER}A,0.5,2,\nB,0.5,2,0.1\n", [(0.5, 2.0, 0.1, None)] * 2),
        (f"sep=,\r\n{HEADER}A,0.5,2,0.1\r\n", [(0.5, 2.0, 0.1, None)]),
        (f"sep=;\n{HEADER}A,0.5,2,0.1\n".replace(",", ";"), [(0.5, 2.0, 0.1, None)]),
        (f"{HEADER}A,0.5,2,0.1\n".replace(",", "|"), [(0.5, 2.0, 0.1, None)]),
        (f"{HEADER}A,0.5,2,0.1\n".replace("\n", "\r"), [(0.5, 2.0, 0.1, None)]),
    ],
)  # fmt: skip
def test_cells_are_read_or_named(text, expected):
    assert rows(text, 0.1) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Model;R2 Score;Mean Squared Error\nA;0,53;1.234\nB;0,5;2.345\n", "'Mean Squared Error' has 1.234, and others"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "it is the workbook of a spreadsheet"),
        (b"PK\x03\x04\x14\0\x06\0" + bytes(22) + b"[Content_Types].xml", "it is the workbook of a spreadsheet"),
    ],
)  # fmt: skip
def test_file_that_can_be_misread_is_refused(content, reason):
    with pytest.raises(LegacyError, match=reason):
        decode(content, "csv")
    with pytest.raises(LegacyError, match=reason):
        read_list(content)


@pytest.mark.parametrize("level", ["0,1", "10%", "10 %", ".1", "1e-1", " 0.10 "])
def test_level_of_the_rows_is_compared_in_any_spelling(level):
    frame = decode(f'{HEADER}A,0.5,2,"{level}"\nB,0.5,2,"{level}"\n'.encode(), "csv")
    _check_levels_are_numbers(frame)
    found = to_results(frame).rows["level"].unique().to_list()
    _check_level(0.1, found)
    with pytest.raises(LegacyError, match=r"its name says level 0.3, its rows say 0.1"):
        _check_level(0.3, found)


def test_level_that_is_no_number_is_refused():
    with pytest.raises(LegacyError, match="its column 'Response Noise Level' has 'high', which is no level"):
        _check_levels_are_numbers(decode(f"{HEADER}A,0.5,2,high\n".encode(), "csv"))


def test_list_has_levels_and_statuses_in_any_spelling():
    listed = read_list(b'Assembly_ID,Timestamp,Status\n"0,1",1,Started\n10%,2,COMPLETED\n0.2,3, failed \n')
    assert {each: (found.statuses, found.completed) for each, found in listed.items()} == {
        "0.1": (("Started", "COMPLETED"), True),
        "0.2": (("failed",), False),
    }
