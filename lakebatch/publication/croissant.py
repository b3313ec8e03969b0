"""The description of a publication for machine learning: Croissant 1.1, with fields of each table."""

from __future__ import annotations

from typing import Any

from lakebatch._folders import NewFolder
from lakebatch.publication import licences
from lakebatch.publication.about import DOI_PAGE, ORCID_PAGE
from lakebatch.publication.citation import citation
from lakebatch.publication.environments import to_json
from lakebatch.publication.material import Material, TableFile
from lakebatch.snapshot.dictionary import ColumnEntry

TYPES = {
    "string": "sc:Text",
    "long": "cr:Int64",
    "integer": "cr:Int32",
    "double": "cr:Float64",
    "float": "cr:Float32",
    "boolean": "sc:Boolean",
    "timestamp": "sc:DateTime",
    "binary": "sc:Text",
}
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "arrayShape": "cr:arrayShape",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(material: Material, new: NewFolder) -> bytes:
    """Return croissant.json."""
    about = material.about
    facts = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": about.title,
        "description": material.description,
        "version": "1.0.0",
        "alternateName": material.tag.tag,
        "datePublished": material.date,
        "citeAs": citation(material),
        "license": licences.page(about.licence) if about.licence else None,
        "url": about.url or (f"{DOI_PAGE}{about.doi}" if about.doi else None),
        "keywords": list(about.keywords),
        "creator": [
            {
                "@type": "sc:Person",
                "name": each.name,
                **({"url": f"{ORCID_PAGE}{each.orcid}"} if each.orcid else {}),
            }
            for each in about.authors
        ],
        "distribution": [_file(path, new) for path in _paths(material)],
        "recordSet": [_record_set(each) for each in material.tables],
    }
    return to_json({name: value for name, value in facts.items() if value})


def _paths(material: Material) -> list[str]:
    found = [path for each in material.tables for path in (each.parquet, each.csv)]
    return [path for path in found if path is not None]


def _file(path: str, new: NewFolder) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path.rpartition("/")[2],
        "contentUrl": path,
        "contentSize": f"{new.place(path).stat().st_size} B",
        "encodingFormat": "text/csv" if path.endswith(".csv") else "application/x-parquet",
        "sha256": new.checksum(path),
    }


def _record_set(table: TableFile) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.entry.description,
        "field": [_field(table, each) for each in table.columns],
    }


def _field(table: TableFile, column: ColumnEntry) -> dict[str, Any]:
    inner = column.delta_type.removeprefix("list<").removesuffix(">")
    is_list = inner != column.delta_type
    meaning = f"{column.meaning} Unit: {column.unit}." if column.unit not in (None, "1") else column.meaning
    return {
        "@type": "cr:Field",
        "@id": f"{table.name}/{column.name}",
        "name": column.name,
        "description": meaning,
        "dataType": TYPES[inner],
        **({"isArray": True, "arrayShape": "-1"} if is_list else {}),
        "source": {
            "fileObject": {"@id": table.parquet or table.csv},
            "extract": {"column": column.name},
        },
    }
