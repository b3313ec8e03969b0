"""Rows read in pieces equal the rows read at once."""

import polars as pl
import pytest

from lakebatch.errors import DamageError
from lakebatch.snapshot import pieces as pieces_module
from lakebatch.snapshot import row_order as reading


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
@pytest.mark.parametrize("piece", [1, 4, 9, 20, 1000])
@pytest.mark.parametrize("is_divided", [True, False])
def test_pieces_equal_the_whole_in_order(after_runs, toy, monkeypatch, piece, is_divided):
    """Of several assemblies, or of a part of one."""
    stored = after_runs((), ("levels=[0.5, 0]",), ())[toy]
    whole = stored.reassemble()
    monkeypatch.setattr(reading, "PIECE", piece)
    if is_divided:
        for module in (reading, pieces_module):
            monkeypatch.setattr(module, "LARGE", piece)
    pieces = list(stored.snapshot().pieces())
    assert pl.concat(pieces).equals(whole)
    assert max(each.height for each in pieces) <= max(piece + 9, 9)
    assert len(pieces) >= whole.height // (piece + 9)


def test_pieces_of_an_empty_table_have_its_columns(stored):
    (empty,) = stored.snapshot().pieces(["discarded"])
    assert empty.schema == stored.reassemble().schema
    assert empty.is_empty()


def test_one_assembly_reads_its_own_files_only(after_runs, toy, parquet_files):
    stored = after_runs((), ())[toy]
    first, second = stored.assemblies()["assembly_id"]
    for file in parquet_files(stored.results):
        if first in str(file):
            file.write_bytes(b"0" * file.stat().st_size)  # opening it fails
    assert stored.scan().filter(pl.col("assembly_id") == second).collect().height == 9
    with pytest.raises(DamageError, match=first):
        stored.reassemble()
