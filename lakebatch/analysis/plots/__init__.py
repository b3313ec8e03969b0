"""Charts of results: frames in, figures out."""

from lakebatch.analysis.plots.options import Options
from lakebatch.analysis.plots.picture import FORMS, KINDS, Picture, applying, check_file, picture

__all__ = ["FORMS", "KINDS", "Options", "Picture", "applying", "check_file", "picture"]
