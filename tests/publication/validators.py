"""Validates a publication with the libraries of its formats, in an environment that has them; prints faults as JSON.

``python validators.py FORMAT FOLDER``
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def frictionless(folder: Path) -> dict[str, Any]:
    """Validate the data package, and each cell of its tables."""
    from frictionless import Package, validate

    report = validate(str(folder / "datapackage.json"))
    faults = [each.message for each in report.errors]
    faults += [f"{task.name}: {each.message}" for task in report.tasks for each in task.errors]
    package = Package(str(folder / "datapackage.json"))
    return {"faults": faults, "rows": {each.name: len(each.read_rows()) for each in package.resources}}


def croissant(folder: Path) -> dict[str, Any]:
    """Load every record of every record set."""
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    rows = {each.id: list(dataset.records(each.id)) for each in dataset.metadata.record_sets}
    return {
        "faults": [*map(str, issues.errors), *map(str, issues.warnings)],
        "rows": {name: len(records) for name, records in rows.items()},
        "heights": [[float(each) for each in row["peaks/heights"]] for row in rows.get("peaks", [])],
    }


def crate(folder: Path) -> dict[str, Any]:
    """Parse the crate, and check it against the rules that RO-Crate 1.2 and the profiles of runs require."""
    from rocrate.rocrate import ROCrate

    parsed = ROCrate(str(folder))
    files = [each for each in parsed.data_entities if "File" in each.type]
    faults = [f"no file {each.id}" for each in files if not (folder / each.id).is_file()]
    faults += _broken_rules(folder, "ro-crate-1.2", "https://bioschemas.org/terms/")
    # the profiles of runs are written for RO-Crate 1.1, and so are the names in their rules
    for profile in ("process-run-crate-0.5", "workflow-run-crate-0.5"):
        faults += _broken_rules(folder, profile, "https://bioschemas.org/")
    return {"faults": faults, "files": len(files)}


def _broken_rules(folder: Path, profile: str, bioschemas: str) -> list[str]:
    from rocrate_validator import models, services

    _answer_from_disk(bioschemas)
    settings = services.ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier=profile,
        requirement_severity=models.Severity.REQUIRED,
        disable_inherited_profiles_issue_reporting=True,
        no_cache=True,
    )
    issues = services.validate(settings).get_issues()
    return [f"{profile}: {each.message} ({each.violatingEntity})" for each in issues]


def _answer_from_disk(bioschemas: str) -> None:
    """Give the terms that come with rocrate to each reader, since tests use no network."""
    import rocrate
    from rdflib.plugins.shared.jsonld import context
    from rocrate_validator.utils.http import HttpRequester

    text = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text()
    terms = json.loads(text.replace("https://bioschemas.org/terms/", bioschemas))
    answer = SimpleNamespace(
        status_code=200, ok=True, headers={"Content-Type": "application/ld+json"}, json=lambda: terms
    )
    context.source_to_json = lambda *_, **__: (terms, None)
    HttpRequester.__getattr__ = lambda self, name: lambda *_, **__: answer
    HttpRequester.fetch_fresh = lambda self, url, **_: answer


def citation(folder: Path) -> dict[str, Any]:
    """Hold CITATION.cff against the rules of the Citation File Format 1.2.0 for what it can have here."""
    import yaml

    found = yaml.safe_load((folder / "CITATION.cff").read_text())
    found["date-released"] = str(found["date-released"])
    faults = [
        f"{name} is {found.get(name)!r}" for name, rule in CFF.items() if not _keeps(found.get(name), rule)
    ]
    faults += [f"unknown key {name}" for name in found.keys() - CFF.keys() - CFF_TEXTS]
    for each in found["authors"]:
        faults += [f"unknown key {name}" for name in each.keys() - CFF_AUTHOR.keys()]
        faults += [
            f"{name} is {each[name]!r}"
            for name, rule in CFF_AUTHOR.items()
            if not _keeps(each.get(name, "-"), rule)
        ]
    return {"faults": faults, "authors": len(found["authors"]), "title": found["title"]}


def _keeps(value: Any, rule: str) -> bool:
    return all(
        isinstance(each, str) and re.fullmatch(rule, each)
        for each in (value if isinstance(value, list) else [value])
    )


CFF = {
    "cff-version": r"1\.2\.0",
    "message": r".+",
    "title": r".+",
    "type": r"dataset|software",
    "date-released": r"\d{4}-(0[1-9]|1[012])-(0[1-9]|[12]\d|3[01])",
    "doi": r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-.()\[\]\\]+",
    "license": r"[A-Za-z0-9.\-]+",
    "keywords": r".+",
}
"""What is required, or given in the tests: the form of each."""
CFF_TEXTS = {"abstract", "version", "url", "authors"}
CFF_AUTHOR = {
    "family-names": r".+",
    "given-names": r".+",
    "affiliation": r".+",
    "orcid": r"-|https://orcid\.org/\d{4}-\d{4}-\d{4}-\d{3}[\dX]",
}
FORMATS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "croissant": croissant,
    "frictionless": frictionless,
    "crate": crate,
    "citation": citation,
}


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(FORMATS[sys.argv[1]](Path(sys.argv[2])))}\n")
