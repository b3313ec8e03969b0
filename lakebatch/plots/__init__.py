"""Pictures of results: frames in, figures out."""

from lakebatch.plots.options import Options
from lakebatch.plots.picture import KINDS, Picture, check_file, picture

__all__ = ["KINDS", "Options", "Picture", "check_file", "picture"]
