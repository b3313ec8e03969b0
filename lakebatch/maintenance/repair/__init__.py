"""Heals damage that the doctor finds, where the healed rows can be proven right; leaves the rest, with the reason."""

from lakebatch.maintenance.repair.healing import heal
from lakebatch.maintenance.repair.outcome import COLUMNS, to_frame

__all__ = ["COLUMNS", "heal", "to_frame"]
