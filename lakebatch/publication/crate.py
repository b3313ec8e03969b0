"""The research object of a publication: RO-Crate 1.2 with the profiles of workflow runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from lakebatch._folders import NewFolder
from lakebatch.assembly.record import Assembly
from lakebatch.ids import canonical_json, content_hash
from lakebatch.publication import licences
from lakebatch.publication.about import DOI_PAGE, Author
from lakebatch.publication.assembly_rows import settings_of
from lakebatch.publication.citation import citation
from lakebatch.publication.environments import LENGTH, code_path, config_path, requirements_path, to_json
from lakebatch.publication.material import Material, iso, source_hash
from lakebatch.snapshot.values import as_json

Entity: TypeAlias = dict[str, Any]

SPECIFICATION = "https://w3id.org/ro/crate/1.2"
CONTEXT = [f"{SPECIFICATION}/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROCESS = "https://w3id.org/ro/wfrun/process/0.5"
WORKFLOW = "https://w3id.org/ro/wfrun/workflow/0.5"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
BIOSCHEMAS = "https://bioschemas.org/profiles"
PROFILES = {
    PROCESS: ("Process Run Crate", "0.5"),
    WORKFLOW: ("Workflow Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
PYTHON = "#python"
LAKEBATCH = "#lakebatch"
MEDIA = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "py": "text/x-python",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}


def crate(material: Material, new: NewFolder) -> bytes:
    """Return ro-crate-metadata.json."""
    return to_json({"@context": CONTEXT, "@graph": list(_entities(material, new))})


def _entities(material: Material, new: NewFolder) -> Iterator[Entity]:
    main = _main(material)
    profiles = [PROCESS, WORKFLOW, WORKFLOW_CRATE] if main else [PROCESS]
    yield {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": [{"@id": SPECIFICATION}, *_refs(profiles[2:])],
    }
    yield _root(material, new, profiles, main)
    for profile in profiles:
        name, version = PROFILES[profile]
        yield {"@id": profile, "@type": ["CreativeWork", "Profile"], "name": name, "version": version}
    yield from _people(material.about.authors)
    if licence := material.about.licence:
        yield {"@id": licences.page(licence), "@type": "CreativeWork", "name": licences.NAMES[licence]}
    yield from _program(material)
    yield from (_file(material, path, new, main) for path in new.files)
    for source in material.codes:
        yield {"@id": _code_id(source), "@type": "Dataset", "name": f"Source files with the hash {source}"}
    yield from _runs(material, main)


def _root(material: Material, new: NewFolder, profiles: list[str], main: str | None) -> Entity:
    about = material.about
    facts = {
        "@id": "./",
        "@type": "Dataset",
        "name": about.title,
        "description": about.description,
        "datePublished": material.date,
        "version": material.tag.tag,
        "conformsTo": _refs(profiles),
        "license": {"@id": licences.page(about.licence)} if about.licence else None,
        "author": _refs(each.id for each in about.authors),
        "keywords": list(about.keywords),
        "identifier": f"{DOI_PAGE}{about.doi}" if about.doi else None,
        "url": about.url,
        "funding": list(about.funding),
        "creditText": citation(material),
        "creativeWorkStatus": "Draft" if about.draft else "Published",
        "mainEntity": {"@id": main} if main else None,
        "hasPart": _refs([*new.files, *map(_code_id, material.codes)]),
        "mentions": _refs(_action_id(each) for each in material.assemblies),
        "usageInfo": [*material.gaps, *material.mixtures],
    }
    return {name: value for name, value in facts.items() if value}


def _people(authors: tuple[Author, ...]) -> Iterator[Entity]:
    for each in authors:
        affiliation = f"#affiliation-{_hash(each.affiliation)}" if each.affiliation else None
        person = {"@id": each.id, "@type": "Person", "name": each.name, "familyName": each.family}
        yield person | ({"affiliation": {"@id": affiliation}} if affiliation else {})
    for name in dict.fromkeys(each.affiliation for each in authors if each.affiliation):
        yield {"@id": f"#affiliation-{_hash(name)}", "@type": "Organization", "name": name}


def _program(material: Material) -> Iterator[Entity]:
    versions = ", ".join(sorted({each.lakebatch_version for each in material.assemblies}))
    yield {
        "@id": LAKEBATCH,
        "@type": "SoftwareApplication",
        "name": "lakebatch",
        "version": versions,
        "softwareVersion": versions,
        "description": "Runs batch experiments as ACID commits into Delta tables.",
        "url": {"@id": requirements_path(material.assemblies[-1])},
    }
    yield {
        "@id": PYTHON,
        "@type": ["ComputerLanguage", "SoftwareApplication"],
        "name": "Python",
        "url": {"@id": "https://www.python.org/"},
        "identifier": {"@id": "https://www.python.org/"},
        "version": ", ".join(sorted({str(each.surroundings.get("python")) for each in material.assemblies})),
    }
    yield {"@id": "https://www.python.org/", "@type": "WebSite", "name": "Python"}


def _main(material: Material) -> str | None:
    """Return the path of the experiment's main source file of the newest code; None if it is not in the publication."""
    for source in reversed(list(material.codes)):
        files = [path for path, kept in material.codes[source].items() if kept.text is not None]
        stem = material.snapshot.name.replace("-", "_")
        named = [
            path
            for path in files
            if path.rpartition("/")[2] in (f"{stem}.py", f"{material.snapshot.name}.py")
        ]
        if found := (named or [path for path in files if path.endswith(".py")]):
            return code_path(source, found[0])
    return None


def _file(material: Material, path: str, new: NewFolder, main: str | None) -> Entity:
    entity: Entity = {
        "@id": path,
        "@type": "File",
        "name": path,
        "contentSize": str(new.place(path).stat().st_size),
        "sha256": new.checksum(path),
        "encodingFormat": MEDIA.get(path.rpartition(".")[2], "text/plain"),
    }
    table = next((each for each in material.tables if path in (each.parquet, each.csv)), None)
    if table is not None:
        entity["description"] = table.entry.description
    return entity | (_workflow(material) if path == main else {})


def _workflow(material: Material) -> Entity:
    """Return what makes a source file the workflow: the experiment, with its config keys as inputs."""
    inputs = (_parameter_id(key) for key in _keys(material))
    outputs = (f"#output-{each.name}" for each in material.tables if each.parquet)
    return {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": f"Experiment {material.snapshot.qualified_name}",
        "description": material.about.description,
        "programmingLanguage": {"@id": PYTHON},
        "softwareRequirements": {"@id": LAKEBATCH},
        "conformsTo": {"@id": f"{BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE"},
        "input": _refs(inputs),
        "output": _refs(outputs),
    }


def _runs(material: Material, main: str | None) -> Iterator[Entity]:
    """Yield the assemblies as actions, with the values of their configs; equal values are one entity."""
    if main:
        for key, kind in _keys(material).items():
            yield _formal(_parameter_id(key), key, kind)
        for each in material.tables:
            if each.parquet:
                yield _formal(f"#output-{each.name}", each.name, "File") | {
                    "encodingFormat": MEDIA["parquet"]
                }
    values: dict[str, Entity] = {}
    for assembly in material.assemblies:
        known = {_value_id(key, value): (key, value) for key, value in settings_of(assembly).items()}
        values |= {name: _value(name, *pair, is_formal=bool(main)) for name, pair in known.items()}
        yield _action(material, assembly, main, list(known))
    yield from values.values()


def _action(material: Material, assembly: Assembly, main: str | None, values: list[str]) -> Entity:
    times = {
        "startTime": material.started.get(assembly.assembly_id),
        "endTime": material.completed.get(assembly.assembly_id),
    }
    source = source_hash(assembly)
    code = [_code_id(source)] if source in material.codes else []
    return {
        "@id": _action_id(assembly),
        "@type": "CreateAction",
        "name": f"Assembly {assembly.assembly_id}",
        "description": f"{assembly.parts_planned} parts, {assembly.rows} rows, seed {assembly.seed}",
        "instrument": {"@id": main or LAKEBATCH},
        **{name: iso(at) for name, at in times.items() if at is not None},
        "object": _refs([config_path(assembly), requirements_path(assembly), *code, *values]),
        "result": _refs(each.parquet for each in material.tables if each.parquet),
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }


def _keys(material: Material) -> Mapping[str, str]:
    """Return each config key with the type of its values."""
    found: dict[str, str] = {}
    for assembly in material.assemblies:
        for key, value in settings_of(assembly).items():
            found.setdefault(key, _kind(value))
    return dict(sorted(found.items()))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    return "Integer" if isinstance(value, int) else "Float" if isinstance(value, float) else "Text"


def _formal(name: str, key: str, kind: str) -> Entity:
    return {
        "@id": name,
        "@type": "FormalParameter",
        "name": key,
        "additionalType": kind,
        "conformsTo": {"@id": f"{BIOSCHEMAS}/FormalParameter/1.0-RELEASE"},
    }


def _value(name: str, key: str, value: Any, *, is_formal: bool) -> Entity:
    plain = value if isinstance(value, str | int | float) else as_json(value)
    example = {"exampleOfWork": {"@id": _parameter_id(key)}} if is_formal else {}
    return {"@id": name, "@type": "PropertyValue", "name": key, "value": plain, **example}


def _parameter_id(key: str) -> str:
    return f"#config-{key}"


def _value_id(key: str, value: Any) -> str:
    return f"#value-{key}-{_hash(canonical_json(value))}"


def _action_id(assembly: Assembly) -> str:
    return f"#assembly-{assembly.assembly_id}"


def _code_id(source: str) -> str:
    return f"{code_path(source, '')}/"


def _hash(text: str) -> str:
    return content_hash(text)[:LENGTH]


def _refs(names: Any) -> list[dict[str, str]]:
    return [{"@id": each} for each in names]
