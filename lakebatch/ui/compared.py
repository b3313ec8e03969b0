"""One of the assemblies that a page compares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lakebatch.assembly.record import COMMIT, Assembly
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.snapshot.changes import HASH_CHARACTERS
from lakebatch.snapshot.mixture import key_texts
from lakebatch.snapshot.snapshot import Snapshot


@dataclass(frozen=True)
class Compared:
    """One of the compared assemblies, at the moment of the page."""

    stored: StoredExperiment
    snapshot: Snapshot
    assembly: Assembly
    is_of_several: bool = False

    @property
    def folder(self) -> str:
        """The folder of its experiment."""
        return self.stored.folder

    @property
    def key(self) -> str:
        """The value of the parameter ``with``."""
        return f"{self.folder}/{self.assembly.assembly_id}"

    @property
    def label(self) -> str:
        """Its name or id, with the experiment where several are compared."""
        label = self.assembly.name or self.assembly.assembly_id
        return f"{self.stored.reference} {label}" if self.is_of_several else label

    @property
    def is_purged(self) -> bool:
        """Whether its rows were removed for good."""
        return self.assembly.assembly_id in self.snapshot.tables.purges

    @property
    def has_dataset(self) -> bool:
        """Whether it is completed, with all its rows."""
        return self.assembly.status == "completed" and not self.is_purged

    @cached_property
    def config(self) -> dict[str, str]:
        """The values of its config by dotted key."""
        return key_texts(self.assembly.settings)

    @cached_property
    def software(self) -> dict[str, str]:
        """What computed it: versions by name."""
        known = key_texts(self.assembly.software)
        return known | {
            name: known[name][:HASH_CHARACTERS] for name in (SOURCE_HASH, COMMIT) if name in known
        }
