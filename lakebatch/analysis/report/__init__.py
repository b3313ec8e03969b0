"""A report of one experiment at one moment, as one HTML file and as Markdown."""

from lakebatch.analysis.report.writing import Report, check_file, report

__all__ = ["Report", "check_file", "report"]
