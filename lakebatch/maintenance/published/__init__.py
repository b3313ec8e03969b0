"""The published table: the results of completed assemblies and nothing else, right for every reader of Delta tables."""

from lakebatch.maintenance.published.described import meanings
from lakebatch.maintenance.published.keep import (
    bring_up_to_date,
    heal,
    is_behind,
    is_wanted,
    tagged_version,
    update,
)

__all__ = ["bring_up_to_date", "heal", "is_behind", "is_wanted", "meanings", "tagged_version", "update"]
