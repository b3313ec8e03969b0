"""Heals what the doctor finds, where it can be proven right; whatever cannot is left as it is, with the reason."""

from lakebatch.maintenance.repair.healing import heal
from lakebatch.maintenance.repair.outcome import COLUMNS, to_frame

__all__ = ["COLUMNS", "heal", "to_frame"]
