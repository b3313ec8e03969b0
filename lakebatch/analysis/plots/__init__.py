"""Charts of results: frames in, figures out."""

from lakebatch.analysis.plots.options import Options
from lakebatch.analysis.plots.picture import KINDS, Picture, check_file, picture

__all__ = ["KINDS", "Options", "Picture", "check_file", "picture"]
