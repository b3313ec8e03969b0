"""How to cite a publication: CITATION.cff, and .zenodo.json for an upload."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lakebatch.publication import licences
from lakebatch.publication.about import DOI_PAGE, ORCID_PAGE, Author
from lakebatch.publication.environments import to_json
from lakebatch.publication.material import Material

NEWER_LICENCES = ("CDLA-Permissive-2.0",)
"""Licences that are no names in the Citation File Format 1.2.0, which takes their addresses."""


def citation(material: Material) -> str:
    """Return the citation in one line, for people."""
    about = material.about
    authors = "; ".join(each.sorted_name for each in about.authors) or "Authors to be named"
    doi = f" {DOI_PAGE}{about.doi}" if about.doi else ""
    draft = " (draft)" if about.draft else ""
    return (
        f"{authors} ({material.date[:4]}): {about.title}. Version {material.tag.tag}{draft}. Data set.{doi}"
    )


def citation_file(material: Material) -> bytes | None:
    """Return CITATION.cff in the Citation File Format 1.2.0; None without authors, whom it requires."""
    about = material.about
    if not about.authors:
        return None
    facts = {
        "cff-version": "1.2.0",
        "message": "If you use this data set, please cite it as below.",
        "type": "dataset",
        "title": about.title,
        "abstract": about.description,
        "version": material.tag.tag,
        "date-released": material.date,
        **_licence(about.licence),
        "doi": about.doi,
        "url": about.url,
        "keywords": list(about.keywords),
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items() if value]
    return "\n".join([*lines, "authors:", *_authors(about.authors), ""]).encode()


def _licence(licence: str | None) -> dict[str, str | None]:
    if licence in NEWER_LICENCES:
        return {"license-url": licences.page(str(licence))}
    return {"license": licence}


def zenodo(material: Material) -> bytes:
    """Return .zenodo.json: the description of an upload."""
    about = material.about
    facts: dict[str, Any] = {
        "title": about.title,
        "description": about.description,
        "upload_type": "dataset",
        "access_right": "open",
        "creators": [_creator(each) for each in about.authors],
        "license": about.licence.lower() if about.licence else None,
        "keywords": list(about.keywords),
        "publication_date": material.date,
        "version": material.tag.tag,
        "doi": about.doi,
        "notes": " ".join([*(f"Funding: {each}." for each in about.funding), *_draft(material)]),
        "related_identifiers": [
            {"identifier": each, "relation": "isSupplementTo"} for each in (about.related,) if each
        ],
    }
    return to_json({name: value for name, value in facts.items() if value})


def _authors(authors: tuple[Author, ...]) -> Iterator[str]:
    for each in authors:
        facts = {
            "family-names": each.family,
            "given-names": each.given,
            "orcid": f"{ORCID_PAGE}{each.orcid}" if each.orcid else None,
            "affiliation": each.affiliation,
        }
        lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items() if value]
        yield "  - " + "\n    ".join(lines)


def _creator(author: Author) -> dict[str, str]:
    facts = {"name": author.sorted_name, "orcid": author.orcid, "affiliation": author.affiliation}
    return {name: value for name, value in facts.items() if value}


def _draft(material: Material) -> list[str]:
    return ["This is a draft, which is not to be uploaded."] if material.about.draft else []
