"""Refusals of a local disk, and advice for each."""

from __future__ import annotations

RIGHTS = "Check that the lake is there and that you may use it."
RESUME = "then go on with: lakebatch resume"
ADVICE = {
    "No space left": f"Nothing is lost: free some space, {RESUME}",
    "Disk quota exceeded": f"Nothing is lost: free some of your quota, {RESUME}",
    "File too large": f"Nothing is lost: raise the limit of file sizes (ulimit -f), {RESUME}",
    "Too many open files": f"Nothing is lost: raise the limit of open files (ulimit -n), {RESUME}",
    "Read-only file system": "It can be read; to write, unlock it or name another lake with --lake.",
    "Permission denied": RIGHTS,
    "Operation not permitted": "See that nothing there is locked, and that its file system makes hard links.",
    "Operation not supported": "Its file system makes no hard links, say; name a folder on another with --lake.",
    "Too many links": "Its file system makes no hard links, say; name a folder on another with --lake.",
    "Invalid cross-device link": "Put the whole table on one disk, or name a folder on another with --lake.",
    "File name too long": "Name a folder with a shorter path with --lake.",
    "Too many levels of symbolic links": RIGHTS,
    "Not a directory": RIGHTS,
}
"""Advice by the operating system's words for an error that no repetition mends."""


def refusal(text: str) -> str | None:
    """Return the operating system's words for a refusal in an error message, if it has any.

    >>> refusal("Generic LocalFileSystem error: No space left on device (os error 28)")
    'No space left'
    """
    return next((words for words in ADVICE if words in text), None)


def advice(text: str) -> str:
    """Return what to do about the refusal in an error message."""
    return ADVICE.get(refusal(text) or "", RIGHTS)
