"""Import of a publication: the same rows, once; a changed one is refused."""

from pathlib import Path

import pytest

import lakebatch
from lakebatch.errors import StorageError


@pytest.fixture
def publication(copied_lake: lakebatch.Lake, tmp_path: Path) -> Path:
    """Return a publication of the toy experiment, as a folder."""
    copied_lake["toy"].tag("paper")
    copied_lake["toy"].publish("paper", tmp_path / "publication", draft=True, on_gap="ignore")
    return tmp_path / "publication"


def test_an_import_gives_the_same_rows_and_a_second_one_changes_nothing(publication, copied_lake, tmp_path):
    """Rows and tag are those of the first lake; a second import skips all."""
    other = lakebatch.open_lake(tmp_path / "other")
    first = other.import_published(publication)
    assert len(first.assemblies) == 2
    assert first.tag == "paper"
    expected = copied_lake["toy"].snapshot(tag="paper").reassemble(on_gap="ignore")
    assert other["toy"].snapshot(tag="paper").reassemble(on_gap="ignore").equals(expected)
    events = other["toy"].log.events()
    second = other.import_published(publication)
    assert second.assemblies == ()
    assert second.skipped == first.assemblies
    assert second.tag == "paper"
    assert other["toy"].log.events().equals(events)


def test_a_changed_file_is_refused(publication, tmp_path):
    """The message names the file, and the lake stays empty."""
    with (publication / "data" / "results.parquet").open("ab") as file:
        file.write(b"x")
    other = lakebatch.open_lake(tmp_path / "other")
    with pytest.raises(StorageError, match=r"data/results\.parquet has changed"):
        other.import_published(publication)
    assert not (tmp_path / "other").exists()
