"""Configs, source files and versions of packages of the assemblies, as files."""

from __future__ import annotations

import json
from typing import Any

from lakebatch._folders import NewFolder
from lakebatch._text import redacted
from lakebatch.assembly.record import COMMIT, Assembly
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.ids import canonical_json, content_hash
from lakebatch.publication.material import Material

OF_CODE = (SOURCE_HASH, COMMIT, "experiment_version")
LENGTH = 12


def environment(assembly: Assembly) -> dict[str, Any]:
    """Return the software that an assembly was computed with, without its code and without user and host."""
    return {name: value for name, value in assembly.software.items() if name not in OF_CODE}


def environment_name(assembly: Assembly) -> str:
    """Return the name of the folder of an environment, which depends on its content alone."""
    return content_hash(canonical_json(environment(assembly)))[:LENGTH]


def write_provenance(material: Material, new: NewFolder) -> None:
    """Write the config of each assembly, each state of the code and each environment."""
    for each in material.assemblies:
        new.write(config_path(each), to_json(each.settings))
    for source_hash, files in material.codes.items():
        for path, kept in files.items():
            if kept.text is not None:
                new.write(code_path(source_hash, path), kept.text.encode())
    for name, known in {environment_name(each): environment(each) for each in material.assemblies}.items():
        new.write(f"environment/{name}/environment.json", to_json(known))
        new.write(f"environment/{name}/requirements.txt", _requirements(known).encode())


def config_path(assembly: Assembly) -> str:
    """Return the path of the config of an assembly."""
    return f"configs/{assembly.assembly_id}.json"


def requirements_path(assembly: Assembly) -> str:
    """Return the path of the versions of packages of an assembly."""
    return f"environment/{environment_name(assembly)}/requirements.txt"


def code_path(source_hash: str, path: str) -> str:
    """Return the path of a source file: a path that leaves its folder is made to stay in it."""
    steps = [each for each in path.replace("\\", "/").split("/") if each not in ("", ".", "..")]
    return "/".join(("code", source_hash[:LENGTH], *steps))


def to_json(tree: Any) -> bytes:
    """Return plain data as JSON for people, without secrets."""
    return (json.dumps(redacted(tree), ensure_ascii=False, indent=1) + "\n").encode()


def _requirements(known: dict[str, Any]) -> str:
    packages = {"lakebatch": known.get("lakebatch"), **known.get("packages", {})}
    lines = [f"{name}=={version}" for name, version in sorted(packages.items()) if version]
    return f"# Python {known.get('python', 'of unknown version')}\n" + "".join(f"{each}\n" for each in lines)
