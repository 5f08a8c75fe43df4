"""Publish the JSON Schema of study files, by which editors complete and check them."""

from __future__ import annotations

from typing import Any

from howfar import registry
from howfar.studies.study_file.document import StudyDocument
from howfar.studies.study_file.kind import Kind, references

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a study file, with the settings of every registered kind of study.

    Examples
    --------
    >>> sorted(json_schema()["properties"])
    ['backbones', 'datasets', 'models', 'out', 'settings', 'store', 'studies', 'title']
    """
    schema = StudyDocument.model_json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    shared: dict[str, Any] = {}
    choices = []
    for name in registry.ordered("studies"):
        kind: Kind = registry.load("studies", name)
        own = kind.settings.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= own.pop("$defs", {})
        own["properties"]["kind"] = {"const": name, "description": kind.summary}
        own["title"] = name
        definitions[f"study_{name}"] = own
        choices.append({"$ref": f"#/$defs/study_{name}"})
        own_alone = {"title", "kind", *references(kind.settings), *kind.settings.UNSHARED}
        shared |= {key: value for key, value in own["properties"].items() if key not in own_alone}
    schema["properties"]["studies"]["additionalProperties"] = {"anyOf": choices}
    schema["properties"]["settings"] |= {"properties": shared, "additionalProperties": False}
    return {"$schema": DIALECT, **schema}
