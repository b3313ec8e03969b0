"""Finds what is wrong with a lake and what to run; changes nothing."""

from lakebatch.maintenance.doctor.examination import examine
from lakebatch.maintenance.doctor.finding import COLUMNS, Finding, to_frame

__all__ = ["COLUMNS", "Finding", "examine", "to_frame"]
