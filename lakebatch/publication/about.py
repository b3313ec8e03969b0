"""What a publication says of itself: title, authors, licence, DOI; from settings and arguments, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebatch._files import read_text
from lakebatch._text import nearest, one_line
from lakebatch.errors import ConfigError, StorageError
from lakebatch.ids import check_no_secret
from lakebatch.publication import licences
from lakebatch.settings import SETTINGS_FILE, in_project

SECTION = "publication"
ORCID = re.compile(r"(\d{4}-\d{4}-\d{4}-\d{3}[\dX])")
ORCID_PAGE = "https://orcid.org/"
DOI = re.compile(r"10\.\d{4,9}/\S+")
DOI_PAGE = "https://doi.org/"
AUTHOR_KEYS = ("name", "orcid", "affiliation")
TEXTS = ("title", "description", "license", "license-file", "doi", "url", "related")
LISTS = ("keywords", "funding")
EXAMPLE = (
    '[publication] license = "CC-BY-4.0" authors = [{name = "Doe, Jane", orcid = "0000-0002-1825-0097"}]'
)


@dataclass(frozen=True)
class Author:
    """One author: family and given names, and perhaps ORCID and affiliation."""

    family: str
    given: str = ""
    orcid: str | None = None
    affiliation: str | None = None

    @property
    def name(self) -> str:
        """The name as it is spoken, such as Jane Doe."""
        return f"{self.given} {self.family}".strip()

    @property
    def sorted_name(self) -> str:
        """The name as lists sort it, such as ``Doe, Jane``."""
        return f"{self.family}, {self.given}" if self.given else self.family

    @property
    def id(self) -> str:
        """The address of the ORCID, or else a name in the file that describes the publication."""
        return f"{ORCID_PAGE}{self.orcid}" if self.orcid else f"#author-{_slug(self.name)}"


@dataclass(frozen=True)
class About:
    """What a publication says of itself.

    Attributes
    ----------
    licence : str, optional
        SPDX identifier; None only for a draft.
    licence_text : str
        The content of LICENSE.
    draft : bool
        Whether it is marked as a draft, which need not have authors and a licence.
    """

    title: str
    description: str
    authors: tuple[Author, ...]
    licence: str | None
    licence_text: str
    keywords: tuple[str, ...] = ()
    funding: tuple[str, ...] = ()
    doi: str | None = None
    url: str | None = None
    related: str | None = None
    draft: bool = False


def read(settings: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, str]) -> About:
    """Return what a publication says of itself.

    Parameters
    ----------
    settings : mapping
        The settings file, whose section ``publication`` is read.
    given : mapping
        Arguments, which go before settings; None and empty ones do not count.
    defaults : mapping
        Title and description where neither says one.

    Raises
    ------
    ConfigError
        If something is malformed, or if authors or licence are missing and it is no draft.
    """
    section = _section(settings)
    chosen = {**section, **{name: value for name, value in given.items() if value not in (None, (), [], "")}}
    draft = bool(chosen.pop("draft", False))
    authors = tuple(_author(each) for each in _list(chosen, "authors"))
    licence = licences.check(chosen["license"]) if chosen.get("license") else None
    _check_complete(authors, licence, draft)
    texts = {name: one_line(_text(chosen, name) or defaults[name]) for name in ("title", "description")}
    return About(
        **texts,
        authors=authors,
        licence=licence,
        licence_text=_licence_text(licence, _text(chosen, "license-file")),
        keywords=tuple(_list(chosen, "keywords")),
        funding=tuple(_list(chosen, "funding")),
        doi=_doi(_text(chosen, "doi")),
        url=_address(_text(chosen, "url"), "url"),
        related=_address(_text(chosen, "related"), "related"),
        draft=draft,
    )


def _section(settings: Mapping[str, Any]) -> dict[str, Any]:
    section = settings.get(SECTION, {})
    if not isinstance(section, Mapping):
        raise ConfigError(f"{SECTION!r} in {SETTINGS_FILE} is no table. Expected e.g.: {EXAMPLE}")
    known = (*TEXTS, *LISTS, "authors")
    for name in section.keys() - set(known):
        raise ConfigError(
            f"Unknown setting {name!r} in [{SECTION}] of {SETTINGS_FILE}. {nearest(name, known)}"
        )
    return dict(section)


def _check_complete(authors: Sequence[Author], licence: str | None, draft: bool) -> None:
    lacking = [name for name, value in (("authors", authors), ("license", licence)) if not value]
    if lacking and not draft:
        raise ConfigError(
            f"The publication has no {' and no '.join(lacking)}. Add to {SETTINGS_FILE}: {EXAMPLE}; or give "
            "authors and license (--author, --license); or mark a draft with draft=True (--draft)."
        )


def _text(chosen: Mapping[str, Any], name: str) -> str | None:
    value = chosen.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{name!r} of the publication is {value!r}. Expected a string.")
    return check_no_secret(value.strip(), name) if value else None


def _list(chosen: Mapping[str, Any], name: str) -> list[Any]:
    value = chosen.get(name, [])
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise ConfigError(f"{name!r} of the publication is {value!r}. Expected a list.")
    if name != "authors" and (wrong := [each for each in value if not isinstance(each, str)]):
        raise ConfigError(f"{name!r} of the publication has {wrong[0]!r}. Expected strings.")
    return list(value)


def _author(value: Any) -> Author:
    """Return an author from a table, or from a string ``Doe, Jane; 0000-0002-1825-0097; University``."""
    if isinstance(value, str):
        name, *rest = (each.strip() for each in value.split(";"))
        orcid = next((each for each in rest if ORCID.search(each)), None)
        others = [each for each in rest if each and each is not orcid]
        value = {"name": name, "orcid": orcid, "affiliation": "; ".join(others) or None}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str) or not value["name"].strip():
        raise ConfigError(
            f"An author of the publication is {value!r}. Expected a name such as 'Doe, Jane', or a table: "
            '{name = "Doe, Jane", orcid = "0000-0002-1825-0097", affiliation = "University"}.'
        )
    for name in value.keys() - set(AUTHOR_KEYS):
        raise ConfigError(f"Unknown key {name!r} of an author. {nearest(str(name), AUTHOR_KEYS)}")
    family, given = _names(one_line(value["name"]))
    affiliation = value.get("affiliation")
    return Author(family, given, _orcid(value.get("orcid")), one_line(affiliation) if affiliation else None)


def _names(name: str) -> tuple[str, str]:
    """Return family and given names; without a comma, the last word is the family name."""
    if "," in name:
        family, _, given = name.partition(",")
        return family.strip(), given.strip()
    given, _, family = name.rpartition(" ")
    return family, given


def _orcid(value: Any) -> str | None:
    if not value:
        return None
    found = ORCID.fullmatch(str(value).removeprefix(ORCID_PAGE))
    if found is None or not _has_check_digit(found[1]):
        raise ConfigError(f"The ORCID {value!r} is none. Expected 16 digits such as 0000-0002-1825-0097.")
    return found[1]


def _has_check_digit(orcid: str) -> bool:
    """Whether the last digit of an ORCID follows from the others (ISO 7064, modulo 11, 2)."""
    *digits, last = list(orcid.replace("-", ""))
    total = 0
    for each in digits:
        total = (total + int(each)) * 2
    check = (12 - total % 11) % 11
    return last == ("X" if check == 10 else str(check))


def _doi(value: str | None) -> str | None:
    if value is None:
        return None
    doi = value.removeprefix(DOI_PAGE).removeprefix("doi:")
    if DOI.fullmatch(doi) is None:
        raise ConfigError(f"The DOI {value!r} is none. Expected e.g. 10.5281/zenodo.1234567.")
    return doi


def _address(value: str | None, name: str) -> str | None:
    if value is not None and not value.startswith(("https://", "http://")):
        raise ConfigError(f"{name!r} of the publication is {value!r}. Expected an address: https://...")
    return value


def _licence_text(licence: str | None, file: str | None) -> str:
    if file is not None:
        path = in_project(file)
        try:
            return read_text(path)
        except OSError as error:
            raise StorageError(
                f"Cannot read the licence {path}: {error.strerror}. Correct license-file in {SETTINGS_FILE}."
            ) from error
        except ValueError as error:
            raise ConfigError(f"Cannot read the licence {path}: {error}. Expected a text.") from error
    return "A draft without a licence: not to be passed on.\n" if licence is None else licences.text(licence)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
