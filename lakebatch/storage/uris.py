"""URIs of lakes: a folder, a ``file://`` URI, or ``s3://bucket/prefix``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from lakebatch._text import excerpt
from lakebatch.errors import ConfigError, StorageError

S3_SCHEMES = ("s3", "s3a")
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# Schemes of other tools: with one slash or none they would name a folder such as ./s3:
MISTYPED = re.compile(r"[\s\"']*(s3[an]?|file|gs|gcs|az|adl|abfss?|wasbs?|hdfs|dbfs|https?):", re.IGNORECASE)
# Characters that an engine misreads: '=' as a partition, '%' as an escape, '*' as a pattern; and those that it refuses:
# control characters, and bytes that are not UTF-8
UNUSABLE = re.compile(r"[=%*?\\^|\[\]\x00-\x1f\x7f\ud800-\udfff]")
UNUSABLE_ON_S3 = re.compile(rf"[#\x80-\x9f]|{UNUSABLE.pattern}")
# Bytes of the longest path inside a lake: a data file of a table of saved frames
MAX_INSIDE = 330
MAX_PATH = 4095 - MAX_INSIDE
MAX_KEY = 1024 - MAX_INSIDE
# Possible keys in a URI that cannot be parsed
CREDENTIALS = re.compile(r":/*[^/:]+:.*@", re.DOTALL)
DRIVE = re.compile(r"/[A-Za-z]:(/|$)")
SHOWN = 200
EXPECTED = "Expected a folder or s3://bucket/prefix."
# The log of a Delta table; engines take files below a folder of this name for parts of a log
LOG = "_delta_log"


def normalize(uri: str) -> str:
    """Return the canonical URI of a lake: an absolute path, or ``s3://bucket/prefix``.

    >>> normalize("S3://bucket/prefix/"), normalize("file://localhost/data/a%20b")
    ('s3://bucket/prefix', '/data/a b')

    Raises
    ------
    ConfigError
        If an engine would read the URI as another place, or lose a part of it.
    """
    if not is_uri(uri):
        return _local(uri, uri)
    found = SCHEME.match(uri)
    if found is None:
        raise _refused(uri, "it is neither a folder nor a whole URI", EXPECTED)
    scheme, rest = found[1].lower(), uri[found.end() :]
    if scheme == "file":
        return _local(uri, _path_of_file_uri(uri, rest))
    if scheme in S3_SCHEMES:
        return _s3(uri, rest)
    raise _refused(uri, f"{scheme!r} is not a scheme of lakebatch", EXPECTED)


def is_uri(text: str) -> bool:
    """Whether a string is meant as a URI, and not as a path.

    >>> is_uri("s3://bucket"), is_uri("s3:/bucket"), is_uri("./s3:/bucket")
    (True, True, False)
    """
    return "://" in text or MISTYPED.match(text) is not None


def is_local(uri: str) -> bool:
    """Whether a URI, as `normalize` returns it, is a path on this machine."""
    return "://" not in uri


def absolute(path: str) -> str:
    """Return an absolute path that the engine and the system resolve to the same folder.

    The engine resolves ``..`` in the text of a path; the system follows links first.

    Raises
    ------
    ConfigError
        If the path starts in the home folder of an unknown user.
    StorageError
        If the path is relative and the working directory is gone.
    """
    try:
        parts = Path(path).expanduser().absolute().parts
    except RuntimeError as error:
        name = Path(path).parts[0]
        expected = f"Expected a folder; one of that name is ./{name}."
        raise _refused(path, f"{name!r} has no home folder", expected) from error
    except OSError as error:
        what = f"the working directory is gone ({error.strerror})"
        raise StorageError(
            f"Cannot open a lake at {path!r}: {what}. Go to another, or name a folder from / on."
        ) from error
    last = max((place for place, part in enumerate(parts, 1) if part == ".."), default=0)
    found = Path(os.path.realpath(Path(*parts[:last])), *parts[last:]) if last else Path(*parts)
    return found.as_posix()  # engines take C:/folder too


def _path_of_file_uri(uri: str, rest: str) -> str:
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost"):
        raise _refused(
            uri, f"{host!r} is read as a host", f"Expected file:///{host}{slash}{path}, or a folder."
        )
    if not path:
        raise _refused(uri, "no folder", "Expected file:///folder.")
    return without_slash(unquote(f"/{path}", errors="surrogateescape"))


def without_slash(path: str, *, has_drives: bool = os.name == "nt") -> str:
    """Return the path of a ``file://`` URI, which on Windows starts at the letter of its drive.

    >>> without_slash("/C:/lake", has_drives=True), without_slash("/C:/lake", has_drives=False)
    ('C:/lake', '/C:/lake')
    """
    return path[1:] if has_drives and DRIVE.match(path) else path


def _local(uri: str, path: str) -> str:
    if "\0" in path:
        raise _refused(uri, "'\\x00' in its path", EXPECTED)
    found = absolute(path)
    _check(found, MAX_PATH)
    return found


def _s3(uri: str, rest: str) -> str:
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket:
        raise ConfigError(
            "A lake's URI must not hold credentials. Set S3_ACCESS_KEY and S3_SECRET_KEY instead."
        )
    if ":" in bucket:  # the URI is not repeated: a key can stand before the colon
        raise ConfigError(
            "':' in the name of a lake's bucket. Expected s3://bucket/prefix, without a port or keys."
        )
    if bucket in ("", ".", ".."):
        raise _refused(uri, "no bucket", "Expected s3://bucket/prefix.")
    steps = prefix.removesuffix("/").split("/") if prefix else []
    if wrong := sorted({"", ".", ".."} & set(steps)):
        raise _refused(uri, f"{wrong[0] or '//'!r} in its path", "Expected s3://bucket/prefix.")
    found = "/".join([f"s3://{bucket}", *steps])
    _check(found, MAX_KEY, UNUSABLE_ON_S3)
    return found


def _check(uri: str, longest: int, unusable: re.Pattern[str] = UNUSABLE) -> None:
    if found := unusable.search(uri):
        raise _refused(
            uri,
            f"{found[0]!r} in its path",
            r"Expected a path in UTF-8 without control characters and without any of = % * ? \ ^ | [ ], nor # on S3.",
        )
    if LOG in uri.split("/"):
        raise _refused(
            uri, f"{LOG!r} in its path, the log of a table", "Expected a folder outside of tables."
        )
    if (size := len(uri.encode())) > longest:
        raise _refused(uri, f"it is {size} bytes long", f"Expected up to {longest}.")


def _refused(uri: str, what: str, expected: str) -> ConfigError:
    shown = excerpt(CREDENTIALS.sub(":…@", uri), SHOWN)
    return ConfigError(f"Cannot open a lake at {shown!r}: {what}. {expected}")
