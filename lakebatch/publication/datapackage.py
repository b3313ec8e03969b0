"""The data package of a publication (Frictionless Data): CSV files with types, units, ranges and references."""

from __future__ import annotations

from typing import Any

from lakebatch._folders import NewFolder
from lakebatch.publication import licences
from lakebatch.publication.environments import to_json
from lakebatch.publication.material import ASSEMBLIES, Material, TableFile
from lakebatch.snapshot.dictionary import ColumnEntry

TYPES = {
    "string": "string",
    "long": "integer",
    "integer": "integer",
    "double": "number",
    "float": "number",
    "boolean": "boolean",
    "timestamp": "datetime",
    "binary": "string",
}
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def data_package(material: Material, new: NewFolder) -> bytes:
    """Return datapackage.json."""
    about = material.about
    licence = {"name": about.licence, "path": licences.page(about.licence)} if about.licence else None
    facts = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": material.tag.tag.lower(),
        "title": about.title,
        "description": material.description,
        "version": material.tag.tag,
        "created": f"{material.date}T00:00:00Z",
        "id": f"https://doi.org/{about.doi}" if about.doi else None,
        "homepage": about.url,
        "keywords": list(about.keywords),
        "licenses": [licence] if licence else [],
        "contributors": [{"title": each.name, "roles": ["creator"]} for each in about.authors],
        "resources": [_resource(each, new) for each in material.tables],
    }
    return to_json({name: value for name, value in facts.items() if value})


def _resource(table: TableFile, new: NewFolder) -> dict[str, Any]:
    file = new.place(table.csv)
    return {
        "name": table.name.replace("_", "-"),
        "path": table.csv,
        "description": table.entry.description,
        "type": "table",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": file.stat().st_size,
        "hash": f"sha256:{new.checksum(table.csv)}",
        "schema": _schema(table),
    }


def _schema(table: TableFile) -> dict[str, Any]:
    fields = {"fields": [_field(each) for each in table.columns]}
    if table.name == ASSEMBLIES:
        return {**fields, "primaryKey": ["assembly_id"]}
    reference = {"resource": ASSEMBLIES, "fields": ["assembly_id"]}
    return {**fields, "foreignKeys": [{"fields": ["assembly_id"], "reference": reference}]}


def _field(column: ColumnEntry) -> dict[str, Any]:
    kind = TYPES.get(column.delta_type, "array")
    facts = {
        "name": column.name,
        "type": kind,
        "format": TIME if kind == "datetime" else None,
        "title": column.label,
        "description": column.meaning,
        "unit": column.unit,
        "constraints": _constraints(column),
    }
    return {name: value for name, value in facts.items() if value}


def _constraints(column: ColumnEntry) -> dict[str, Any]:
    bounds = {"minimum": column.minimum, "maximum": column.maximum}
    return {
        **({} if column.nullable else {"required": True}),
        **{name: value for name, value in bounds.items() if value is not None},
    }
