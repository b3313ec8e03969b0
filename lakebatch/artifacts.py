"""Artifacts: named large values of a part, such as a model, an image or a text."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Self

from lakebatch._text import CONTROLS, one_line
from lakebatch.errors import ExperimentError

ARTIFACTS = "artifacts"
"""The table of artifacts."""
CONTENT = "content"
"""Its column with the bytes, which datasets and SQL leave out."""
MAX_BYTES = 256_000_000
"""Size of the largest artifact: its content is in memory as a whole."""
MAX_NAME_BYTES = 240
SHOWN, MAX_SHOWN = ("image/png", "image/jpeg"), 1_000_000
# media types that a notebook shows, and the most bytes
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*(; ?[a-z0-9-]+=[^\s;]+)*")
BINARY = "application/octet-stream"
TEXT = "text/plain"
# A table of our own: that of the system differs between machines, and the rows must not
MEDIA_TYPES = {
    "arrow": "application/vnd.apache.arrow.file",
    "csv": "text/csv",
    "gif": "image/gif",
    "gz": "application/gzip",
    "h5": "application/x-hdf5",
    "htm": "text/html",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "log": TEXT,
    "md": "text/markdown",
    "ndjson": "application/x-ndjson",
    "onnx": "application/onnx",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "pkl": "application/x-pickle",
    "png": "image/png",
    "py": "text/x-python",
    "sbml": "application/sbml+xml",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "toml": "application/toml",
    "tsv": "text/tab-separated-values",
    "txt": TEXT,
    "webp": "image/webp",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "zst": "application/zstd",
}


@dataclass(frozen=True)
class Artifact:
    """A named large value of a part, see `artifact`.

    Attributes
    ----------
    size : int, B
    sha256 : str
        Hash of the content, hexadecimal.
    """

    name: str
    media_type: str
    content: bytes

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.content)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content."""
        return sha256_of(self.content)

    def __repr__(self) -> str:
        return f"Artifact({self.name!r}, {self.media_type!r}, {self.size} bytes)"


class Content(bytes):
    """The content of an artifact, with its name and media type; a notebook shows pictures and no other bytes.

    Examples
    --------
    >>> Content(b"{}", "model.json", "application/json")
    <Content of model.json: application/json, 2 bytes>
    """

    name: str
    media_type: str

    def __new__(cls, content: bytes = b"", name: str = "", media_type: str = BINARY) -> Self:
        """Return bytes with a name and a media type."""
        made = super().__new__(cls, content)
        made.name, made.media_type = name, media_type
        return made

    def __repr__(self) -> str:
        return f"<Content of {self.name}: {self.media_type}, {len(self)} bytes>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return the MIME bundle for a notebook."""
        is_shown = self.media_type in SHOWN and len(self) <= MAX_SHOWN
        return {"text/plain": repr(self), **({self.media_type: bytes(self)} if is_shown else {})}


def artifact(name: str, content: bytes | str, media_type: str | None = None) -> Artifact:
    """Return a large value of a part, for the table ``artifacts`` in the frames of `Experiment.run`.

    Parameters
    ----------
    name : str
        Name in its part, as a file is named: ``model.json``, or ``figures/fit.png`` in a folder.
    content : bytes or str
        At most 256 MB; a string is stored as UTF-8.
    media_type : str, optional
        By default from the ending of the name.

    Raises
    ------
    ExperimentError
        If the name, the content or the media type cannot be used.

    Examples
    --------
    >>> artifact("model.json", "{}")
    Artifact('model.json', 'application/json', 2 bytes)
    """
    check_name(name)
    found = _bytes(name, content)
    if len(found) > MAX_BYTES:
        raise ExperimentError(
            f"artifact {name!r} has {len(found):,} bytes, expected at most {MAX_BYTES:,}. "
            "Store it in pieces, or keep only what you will read again."
        )
    default = TEXT if isinstance(content, str) else BINARY
    kind = media_type if media_type is not None else media_type_of(name, default)
    if not isinstance(kind, str) or not MEDIA_TYPE.fullmatch(kind):
        raise ExperimentError(
            f"artifact {name!r} has the media type {kind!r}, expected one such as image/png."
        )
    return Artifact(name, kind, found)


def media_type_of(name: str, default: str = BINARY) -> str:
    """Return the media type of a name, from its ending.

    >>> media_type_of("figures/fit.PNG"), media_type_of("weights")
    ('image/png', 'application/octet-stream')
    """
    ending = name.rpartition("/")[2].rpartition(".")[2].lower()
    return MEDIA_TYPES.get(ending, default)


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 of some bytes, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def check_name(name: str) -> str:
    """Return the name of an artifact, which is the path of a file within some folder.

    Raises
    ------
    ExperimentError
        If a file of that name could be written elsewhere, or not on every system.
    """
    if not isinstance(name, str) or not name:
        raise ExperimentError(f"artifact({name!r}): expected a name such as model.json.")
    steps = name.split("/")
    is_outside = any(step.strip() in ("", ".", "..") for step in steps)
    is_odd = bool(CONTROLS.search(name)) or "\n" in name or any(each in name for each in '\\:*?"<>|')
    is_trimmed = any(step != step.strip() or step.endswith(".") for step in steps)
    if is_outside or is_odd or is_trimmed:
        raise ExperimentError(
            f"artifact({one_line(repr(name))}): expected a relative path of ordinary names, such as figures/fit.png, "
            'without . and .. as names, and without \\ : * ? " < > | and control characters.'
        )
    if len(name.encode(errors="surrogatepass")) > MAX_NAME_BYTES:
        raise ExperimentError(
            f"artifact({name[:40]!r}...): expected a name of at most {MAX_NAME_BYTES} bytes."
        )
    return name


class TakenNames:
    """The names of artifacts in one part, whose files must not be in each other's way."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def take(self, name: str) -> str | None:
        """Take a name; return the earlier name that is in its way, None if there is none.

        >>> names = TakenNames()
        >>> names.take("a/b"), names.take("a/c"), names.take("A/B"), names.take("A"), names.take("a/b/c")
        (None, None, 'a/b', 'a/b', 'a/b')
        """
        key = unicodedata.normalize("NFC", name).casefold()
        folders = [key[: match.start()] for match in re.finditer("/", key)]
        for other in (self._files.get(key), self._folders.get(key), *map(self._files.get, folders)):
            if other is not None:
                return other
        self._files[key] = name
        for folder in folders:
            self._folders.setdefault(folder, name)
        return None


def _bytes(name: str, content: object) -> bytes:
    if isinstance(content, str):
        try:
            return content.encode()
        except UnicodeEncodeError as error:
            raise ExperimentError(f"artifact {name!r} is no Unicode text: {error}.") from error
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    raise ExperimentError(
        f"artifact {name!r} is of type {type(content).__name__}, expected bytes or str. Serialise it in run()."
    )
