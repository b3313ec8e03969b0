"""Warnings that point at the line that called lakebatch."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

# Packages whose frames stand between a call of lakebatch and its warning
OWN = {"lakebatch", "contextlib", "functools"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line outside lakebatch on the way up from here.

    A fixed ``stacklevel`` would be right for one way to a warning and wrong for the others.
    """
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OWN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
