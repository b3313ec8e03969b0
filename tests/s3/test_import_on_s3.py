"""Import of a publication into a lake on S3."""

import lakebatch
from lakebatch.storage.delta.commit_metadata import COPY
from lakebatch.storage.delta.engine import PART


def test_a_publication_is_imported_once_with_the_copies_that_repair_needs(s3_lake, copied_lake, tmp_path):
    """Rows, tag and the metadata of the parts' commits are those of the first lake; a second import skips all."""
    toy = copied_lake["toy"]
    toy.tag("paper")
    toy.publish("paper", tmp_path / "publication", draft=True, on_gap="ignore")
    other = lakebatch.open_lake(s3_lake.uri)
    first = other.import_published(tmp_path / "publication")
    assert first.tag == "paper"
    there = other["toy"].snapshot(tag="paper").reassemble(on_gap="ignore")
    assert there.equals(toy.snapshot(tag="paper").reassemble(on_gap="ignore"))
    assert _copies(other)
    assert _copies(other).items() <= _copies(copied_lake).items()
    assert other.import_published(tmp_path / "publication").skipped == first.assemblies


def _copies(lake: lakebatch.Lake) -> dict[tuple[str, str], str]:
    commits = [each.metadata for each in lake["toy"].results.commits()]
    return {(each["lakebatch.assembly_id"], each[PART]): each[COPY] for each in commits if PART in each}
