"""Engines of others read the tables of a lake, and give the rows that its log names."""

import matrix
import polars as pl
import pyarrow.dataset as ds
import pytest
import replay
from engines import ENGINES, KNOWN
from life import PAPER, REVISION
from questions import DASK, DEFAULT_LISTS, NAMES, PUBLISHED

pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")


def each_with_each():
    for engine in ENGINES:
        for question in NAMES:
            known = KNOWN.get((engine.name, question))
            marks = [pytest.mark.xfail(reason=known, raises=AssertionError, strict=True)] if known else []
            yield pytest.param(engine.name, question, marks=marks, id=f"{engine.path.stem}-{question}")


@pytest.mark.parametrize(("engine", "question"), list(each_with_each()))
def test_engine_gives_the_rows_of_the_log(engine, question, found, questions):
    answer = found(engine)["answers"][question]
    assert matrix.is_right(answer, questions.expected[question]), (answer, questions.expected[question])


@pytest.mark.xfail(
    reason="Dask 2026.8 turns lists into strings by default", raises=AssertionError, strict=True
)
def test_dask_keeps_lists_by_default(found, questions):
    assert matrix.is_right(found(DASK)["answers"][DEFAULT_LISTS], questions.expected["lists"])


@pytest.mark.parametrize("tag", [None, PAPER, REVISION])
def test_published_has_exactly_the_rows_of_the_dataset(life, tag):
    version = life.tag(tag)["published_version"] if tag else None
    rows = pl.DataFrame(replay.rows(life.table(PUBLISHED), version))
    dataset = life.stored.reassemble(tag=tag)
    keys = ["assembly_id", "part", "repeat"]
    assert rows.select(dataset.columns).sort(keys).equals(dataset.sort(keys))


def test_replay_of_the_log_is_what_lakebatch_reads(life):
    """The answers that engines are held against are lakebatch's own."""
    rows = pl.DataFrame(replay.rows(life.table("results")))
    snapshot = life.stored.snapshot()
    right = rows.filter(pl.col("assembly_id").is_in(snapshot.ids()))
    assert (rows.height, right.height) == (900, 600)
    assert right["r2"].sum() == pytest.approx(snapshot.reassemble()["r2"].sum())


def test_a_folder_read_without_its_log_has_rows_that_are_no_data(life):
    """It has merged files twice, and rows of discarded and unfinished assemblies; the manual has these numbers."""
    assert (life.folder_rows, life.right_rows) == (1400, 450)
    found = ds.dataset(life.table("results"), format="parquet").count_rows()
    assert (found, life.stored.reassemble().height) == (1150, 600)


def test_page_has_the_matrix(found, questions):
    """If it fails, write the page again with: python tests/interop"""
    answers = {engine.name: found(engine.name) for engine in ENGINES}
    now = matrix.table(answers, questions.expected)
    assert matrix.without_versions(matrix.written("matrix")) == matrix.without_versions(now)


def test_page_has_the_queries_that_were_tried():
    """If it fails, write the page again with: python tests/interop"""
    assert matrix.written("queries") == matrix.queries()
