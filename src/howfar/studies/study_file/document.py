"""Read a study file (TOML), check every key, publish its JSON Schema, and write a commented template."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from howfar import options as declared
from howfar import registry
from howfar.errors import InputError, MissingPathError, one_line, rule_broken
from howfar.io.atomic import replace_text
from howfar.io.location import absolute, is_url
from howfar.keywords import BackboneOptions, TrainingOptions
from howfar.settings import nearest
from howfar.studies.study_file.kind import StudyKind, fields_of, references, setting

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_ENTRY: Final = ConfigDict(extra="forbid", frozen=True, strict=True)


class DatasetEntry(BaseModel):
    """Declare a dataset of a study file, or with ``each = "folder"`` a folder of datasets, each called as its folder."""

    model_config = _ENTRY

    path: str = Field(min_length=1, description="A dataset argument, or a folder of datasets; relative to the study file.")
    each: Literal["", "folder"] = Field("", description='"folder": every folder in path is a dataset, named as the folder.')
    allow_urls: tuple[str, ...] = Field((), description="Fetch URLs in the table's cells from these hosts or buckets too.")
    foreground: str | int | None = Field(None, description='The colour of the masks that is foreground: 255, "#ff0000".')
    limit: int | None = Field(None, ge=1, description="Draw at most this many images, with the seed.")
    group: str | None = Field(None, description="Name photographs by the first group of this regular expression.")
    stands_for: Literal["", "P", "S_1", "S_2", "S_3", "S_4", "S_5", "S_6"] = Field(
        "", description="The paper's symbol of the dataset whose kind this is (P, S_1 … S_6): its printed numbers stand beside."
    )


class NetworkEntry(BaseModel):
    """Hold the options that a network of a study file is loaded or trained by, besides its registered name `NAME`."""

    model_config = _ENTRY

    NAME: ClassVar[str]
    LATER: ClassVar[frozenset[str]] = frozenset()
    """Fields that study files had not from the beginning: a study's key includes them only where they are set."""

    def chosen(self) -> dict[str, Any]:
        """Return the options that differ from their defaults."""
        fields = type(self).model_fields
        values = {name: getattr(self, name) for name in fields if name != self.NAME}
        return {name: value for name, value in values.items() if value != fields[name].default}

    def described(self) -> dict[str, Any]:
        """Return the values that are part of a study's key."""
        return self.model_dump(exclude=set(self.LATER - self.chosen().keys()))


_BACKBONE: Any = create_model(
    "BackboneFields",
    __base__=NetworkEntry,
    **fields_of(
        BackboneOptions,
        ("device", "model"),
        weights=(str | None, Field(None, description="Local weights: a file, or a folder in the hub's format.")),
        engine=(declared.Engines | None, setting(declared.Engine, default=None)),
        precision=(declared.Floats | None, setting(declared.Precision, default=None)),
    ),
)
_OPTIONS: Any = Field({}, description="Options of the architecture.")
_MODEL: Any = create_model(
    "ModelFields",
    __base__=NetworkEntry,
    **fields_of(TrainingOptions),
    options=(dict[str, int | float | bool | str], _OPTIONS),
    pretrained=(bool | str, setting(declared.Pretrained)),
)


class BackboneEntry(_BACKBONE):  # type: ignore[misc]  # its fields are the options of `BackboneOptions`
    """Declare a backbone of a study file: a registered name, by default the entry's own, and how it is loaded."""

    NAME: ClassVar[str] = "backbone"

    backbone: str = Field("", description="One of `howfar backbones`, or timm:MODEL …; by default the entry's name.")


class ModelEntry(_MODEL):  # type: ignore[misc]  # its fields are the options of `TrainingOptions`
    """Declare a segmenter of a study file, and how it is trained."""

    NAME: ClassVar[str] = "segmenter"
    LATER: ClassVar[frozenset[str]] = frozenset({"steps", "balance", "rescale", "tune"})

    segmenter: str = Field("", description="unetplusplus, deepcrack or adsam; by default the entry's name.")

    def training(self) -> dict[str, Any]:
        """Return the options of `howfar.train` that differ from their defaults, without the segmenter."""
        return dict(self.chosen())


class StudyDocument(BaseModel):
    """Hold a study file as it was written, with variables filled in; what is in `studies` is checked by each kind."""

    model_config = _ENTRY

    title: str = Field("", description="Heading of the report.")
    out: str = Field("", description="Run folder, relative to the file; by default named as the file.")
    store: str = Field("", description="Where features are kept; by default store/ in the run folder.")
    settings: dict[str, Any] = Field(default={}, description="Settings of all studies that have them; a study's own go first.")
    datasets: dict[str, DatasetEntry] = Field(description="The datasets, by the names that studies call them.")
    backbones: dict[str, BackboneEntry] = Field(default={}, description="The backbones, by the names that studies call them.")
    models: dict[str, ModelEntry] = Field(default={}, description="Segmenters to train, by the names that studies call them.")
    studies: dict[str, dict[str, Any]] = Field(
        min_length=1, description="What to study, by name; `kind` says which kind, by default the name."
    )


def read_document(file: str | Path, places: Mapping[str, str] | None = None) -> tuple[StudyDocument, str]:
    """Read and check a study file except its studies; return it and its text. `places` says where moved datasets lie."""
    path = absolute(file)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingPathError(f"study file {str(file)!r} is not there: howfar study --new {file} writes a start") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of("study file", f"must be readable text ({one_line(error)})", str(file)) from error
    return parse_document(text, path.parent, places or {}), text


def parse_document(text: str, folder: Path, places: Mapping[str, str]) -> StudyDocument:
    """Check a study file's text; relative paths start at `folder`; raise `InputError` as `read_document`."""
    try:
        written = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        remedy = "each name once" if "declare" in str(error) or "overwrite" in str(error) else "see howfar study --new"
        raise InputError(f"study file is no TOML that can be read ({one_line(error)}): {remedy}") from error
    for name, place in places.items():
        entry = written.get("datasets", {}).get(name)
        if isinstance(entry, dict):
            entry["path"] = place
    try:
        document: StudyDocument = checked_model(StudyDocument, _filled(written, ""), "")
    except RecursionError as error:
        raise InputError("study file has a key that is nested too deep: see howfar study --new") from error
    return document.model_copy(
        update={
            "datasets": {name: _placed(entry, folder, "path") for name, entry in document.datasets.items()},
            "backbones": {name: _placed(entry, folder, "weights") for name, entry in document.backbones.items()},
            "models": {name: _local(entry, folder) for name, entry in document.models.items()},
        }
    )


def checked_model(model: type[Any], values: Mapping[str, Any], before: str) -> Any:
    """Check values with a pydantic model; raise `InputError` for the first invalid value, with its place below `before`."""
    try:
        return model.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        # An unknown key is often the reason for one that is missing.
        errors = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        raise _refused(model, errors[0], before) from error


def _refused(model: type[BaseModel], error: Any, before: str) -> InputError:
    location = [str(part) for part in error["loc"]]
    place = ".".join(filter(None, [before, *location]))
    if error["type"] == "extra_forbidden":
        tables: dict[str, type[BaseModel]] = {"datasets": DatasetEntry, "backbones": BackboneEntry, "models": ModelEntry}
        # An entry's key is at TABLE.NAME.KEY in the file.
        in_entry = len(location) == 3 and model is StudyDocument
        known = list((tables.get(location[0], model) if in_entry else model).model_fields)
        above = ".".join(filter(None, [before, *location[:-1]])) or "the study file"
        return InputError.of(f"key of {above}", "must be a known one", location[-1], nearest(location[-1], known, "keys"))
    if error["type"] == "missing":
        return InputError(f"{place} must be given, and is missing: see howfar study --new")
    return InputError.of(place, rule_broken(error), error["input"])


def _filled(value: Any, place: str) -> Any:
    """Replace environment variables, ``${NAME}`` or ``${NAME:-default}``, in all texts below a value."""
    if isinstance(value, dict):
        return {key: _filled(each, f"{place}.{key}".removeprefix(".")) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, place) for each in value]
    if not isinstance(value, str):
        return value

    def fill(variable: re.Match[str]) -> str:
        name, otherwise = variable[1], variable[2]
        found = os.environ.get(name, otherwise)
        if found is None:
            rule = f"names the environment variable {name}, which must be set"
            raise InputError.of(place, rule, value, f"export {name}=FOLDER")
        return found

    return _VARIABLE.sub(fill, value)


def _placed(entry: Any, folder: Path, name: str) -> Any:
    """Make an entry's path absolute, relative to the study file's folder."""
    given = getattr(entry, name)
    if given is None or is_url(given):
        return entry
    return entry.model_copy(update={name: str(beside(folder, given))})


def beside(folder: Path, path: str) -> Path:
    """Make a path absolute, relative to a folder; ~ means the home folder, if known."""
    try:
        return absolute(folder / Path(path).expanduser())
    except RuntimeError:
        return absolute(folder / path)


def _local(entry: ModelEntry, folder: Path) -> ModelEntry:
    """Make the paths in a model's entry absolute: its initial weights and path-like options."""
    placed = _placed(entry, folder, "pretrained") if isinstance(entry.pretrained, str) else entry
    options = {
        name: str(beside(folder, value)) if isinstance(value, str) and value.startswith((".", "~", "/")) else value
        for name, value in placed.options.items()
    }
    local: ModelEntry = ModelEntry.model_validate(placed.model_copy(update={"options": options}).model_dump())
    return local


DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a study file, with the settings of every registered kind of study."""
    schema = StudyDocument.model_json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    shared: dict[str, Any] = {}
    choices = []
    for name in registry.ordered("studies"):
        kind: StudyKind = registry.load("studies", name)
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


TEMPLATE: Final = Path(__file__).with_name("start.toml")


def write_start(file: str | Path) -> Path:
    """Write a commented template of a study file, and return its path; an existing file is not replaced."""
    path = absolute(file)
    if path.exists():
        raise InputError.of("study file", "must not be there yet", str(file), "name another, or delete it")
    if not path.parent.is_dir():
        raise InputError.of("study file", "must be in a folder that is there", str(file))
    replace_text(path, TEMPLATE.read_text(encoding="utf-8"))
    return path
