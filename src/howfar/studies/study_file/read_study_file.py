"""Read a study file (TOML), check it before any work, and load its studies' datasets, backbones and results."""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, create_model

from howfar import options as declared
from howfar import registry
from howfar.allowed_url_hosts import allowing
from howfar.backbones import load_backbone, takes
from howfar.data import Dataset, parse
from howfar.data.image_groups_and_variations import fits, grouped
from howfar.errors import HowfarError, InputError, MissingPathError, UnknownNameError, one_line, rule_broken
from howfar.image_reading_options import reading_by
from howfar.io.file_location import absolute, is_url, settings_text
from howfar.option_checks_and_signatures import checked, nearest
from howfar.options_by_function import BackboneOptions, SelectOptions, TrainingOptions
from howfar.pipeline.embedding import embed_all
from howfar.protocols import Backbone
from howfar.results import Features
from howfar.results.result import Result
from howfar.segmenters import build_segmenter, segmenter_family
from howfar.studies.study_file.kind import Network, Planned, StudyKind, every_kind, fields_of, named, references, setting
from howfar.studies.study_inputs import Execution, drawn

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_ENTRY: Final = ConfigDict(extra="forbid", frozen=True, strict=True)


def beside(folder: Path, path: str) -> Path:
    """Make a path absolute, relative to a folder; ~ means the home folder, if known."""
    try:
        return absolute(folder / Path(path).expanduser())
    except RuntimeError:
        return absolute(folder / path)


def _placed(path: str, info: ValidationInfo) -> str:
    """Make a path absolute if the check's context is the study file's folder; a URL stays."""
    return path if info.context is None or is_url(path) else str(beside(info.context, path))


def _options(options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    texts = {key: value for key, value in options.items() if isinstance(value, str)}
    return options | {key: _placed(text, info) for key, text in texts.items() if text.startswith((".", "~", "/"))}


_Place: TypeAlias = Annotated[str, AfterValidator(_placed)]
"""A path, relative to the study file's folder, or a URL."""


class DatasetEntry(BaseModel):
    """Declare a dataset of a study file, or with ``each = "folder"`` a folder of datasets, each called as its folder."""

    model_config = _ENTRY

    path: _Place = Field(min_length=1, description="A dataset argument, or a folder of datasets; relative to the study file.")
    each: Literal["", "folder"] = Field("", description='"folder": every folder in path is a dataset, named as the folder.')
    allow_urls: tuple[str, ...] = Field((), description="Fetch URLs in the table's cells from these hosts or buckets too.")
    foreground: str | int | None = Field(None, description='The colour of the masks that is foreground: 255, "#ff0000".')
    limit: int | None = Field(None, ge=1, description="Draw at most this many images, with the seed.")
    group: str | None = Field(None, description="Name photographs by the first group of this regular expression.")
    stands_for: Literal["", "P", "S_1", "S_2", "S_3", "S_4", "S_5", "S_6"] = Field(
        "", description="The paper's symbol of the dataset whose kind this is (P, S_1 … S_6): its printed numbers stand beside."
    )


_NAMES: Final = ("backbone", "segmenter")
LATER: Final = frozenset({"steps", "balance", "rescale", "tune"})
"""Fields that study files had not from the beginning: a study's key includes them only where they are set."""


class NetworkEntry(BaseModel):
    """Hold the options that a network of a study file is loaded or trained by, besides its registered name."""

    model_config = _ENTRY

    def chosen(self) -> dict[str, Any]:
        """Return the options that differ from their defaults."""
        options = {name: field.default for name, field in type(self).model_fields.items() if name not in _NAMES}
        return {name: getattr(self, name) for name, default in options.items() if getattr(self, name) != default}

    def described(self) -> dict[str, Any]:
        """Return the values that are part of a study's key."""
        return self.model_dump(exclude=set(LATER - self.chosen().keys()))


_BACKBONE: Any = create_model(
    "BackboneFields",
    __base__=NetworkEntry,
    **fields_of(
        BackboneOptions,
        ("device", "model"),
        weights=(_Place | None, Field(None, description="Local weights: a file, or a folder in the hub's format.")),
        engine=(declared.Engines | None, setting(declared.Engine, default=None)),
        precision=(declared.Floats | None, setting(declared.Precision, default=None)),
    ),
)
_OPTIONS: Any = Field({}, description="Options of the architecture.")
_MODEL: Any = create_model(
    "ModelFields",
    __base__=NetworkEntry,
    **fields_of(TrainingOptions),
    options=(Annotated[dict[str, int | float | bool | str], AfterValidator(_options)], _OPTIONS),
    pretrained=(bool | _Place, setting(declared.Pretrained)),
)


class BackboneEntry(_BACKBONE):  # type: ignore[misc]  # its fields are the options of `BackboneOptions`
    """Declare a backbone of a study file: a registered name, by default the entry's own, and how it is loaded."""

    backbone: str = Field("", description="One of `howfar backbones`, or timm:MODEL …; by default the entry's name.")


class ModelEntry(_MODEL):  # type: ignore[misc]  # its fields are the options of `TrainingOptions`
    """Declare a segmenter of a study file, and how it is trained."""

    segmenter: str = Field("", description="unetplusplus, deepcrack or adsam; by default the entry's name.")


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
    text = settings_text("study file", file, f"howfar study --new {file} writes a start")
    try:
        return parse_document(text, absolute(file).parent, places or {}), text
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


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
        document: StudyDocument = checked_model(StudyDocument, _filled(written, ""), "", folder)
    except RecursionError as error:
        raise InputError("study file has a key that is nested too deep: see howfar study --new") from error
    return document


def checked_model(model: type[Any], values: Mapping[str, Any], before: str, folder: Path | None = None) -> Any:
    """Check values with a pydantic model; raise `InputError` for the first invalid value, with its place below `before`."""
    try:
        return model.model_validate_json(json.dumps(values, default=str), context=folder)
    except ValidationError as invalid:
        # An unknown key is often the reason for one that is missing.
        error: Any = min(invalid.errors(), key=lambda each: each["type"] != "extra_forbidden")
        location = [str(part) for part in error["loc"]]
        place = ".".join(filter(None, [before, *location]))
        if error["type"] == "missing":
            raise InputError(f"{place} must be given, and is missing: see howfar study --new") from invalid
        if error["type"] != "extra_forbidden":
            raise InputError.of(place, rule_broken(error), error["input"]) from invalid
        tables: dict[str, type[BaseModel]] = {"datasets": DatasetEntry, "backbones": BackboneEntry, "models": ModelEntry}
        # An entry's key is at TABLE.NAME.KEY in the file.
        in_entry = len(location) == 3 and model is StudyDocument
        known = list((tables.get(location[0], model) if in_entry else model).model_fields)
        above = ".".join(filter(None, [before, *location[:-1]])) or "the study file"
        remedy = nearest(location[-1], known, "keys")
        raise InputError.of(f"key of {above}", "must be a known one", location[-1], remedy) from invalid


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


@dataclass(frozen=True)
class CheckedFile:
    """Hold a study file with its datasets read, by folder of datasets too, and its checked studies in running order."""

    document: StudyDocument
    datasets: Mapping[str, Dataset]
    folders: Mapping[str, tuple[str, ...]]
    entries: Mapping[str, DatasetEntry]
    studies: tuple[Planned, ...]

    def expanded(self, names: Sequence[str]) -> tuple[str, ...]:
        """Replace the name of a folder of datasets by its datasets' names, each dataset once."""
        return tuple(dict.fromkeys(each for name in names for each in self.folders.get(name, (name,))))


_FOLDER: Final = re.compile(r"\w[\w-]*")
KINDS: Final = frozenset({"images", "masks"})
"""Folders of a dataset, which are no datasets themselves."""
RESERVED: Final = frozenset({"figures", "tables", "store", "bundle", "run"})
"""Names of what else lies in a run folder."""


def check_document(document: StudyDocument) -> CheckedFile:
    """Read a study file's datasets, and check all names and settings in the file; raise `HowfarError` for the first fault."""
    _check_tables(document)
    studies = {name: _study(name, values, document) for name, values in document.studies.items()}
    paths: dict[str, Any] = {f"datasets.{name}: path": entry.path for name, entry in document.datasets.items()}
    paths |= {f"backbones.{name}.weights": entry.weights for name, entry in document.backbones.items() if entry.weights}
    paths |= {f"models.{name}.pretrained": entry.pretrained for name, entry in document.models.items()}
    given = {key: path for key, path in paths.items() if isinstance(path, str) and not is_url(path)}
    if missing := [f"{key} {path!r} is not there" for key, path in given.items() if not Path(path).exists()]:
        refuse_missing(missing + missing_networks(document, studies.values(), partial(load_entry, document)))
    datasets, folders, entries = _datasets(document)
    known: dict[str, Sequence[str]] = {
        "datasets": [*datasets, *folders],
        "backbones": list(document.backbones),
        "models": list(document.models),
        "studies": list(studies),
    }
    for name, planned in studies.items():
        for field_name, reference in references(type(planned.settings)).items():
            value = getattr(planned.settings, field_name)
            if value == "" and type(planned.settings).model_fields[field_name].is_required():
                raise InputError.of(f"studies.{name}.{field_name}", f"must name one of {reference.to}", value)
            among = [
                entry
                for entry in known[reference.to]
                if not (reference.to == "studies" and studies[entry].kind.name != reference.kind)
                and not (reference.one and entry in folders)
            ]
            place, chosen = f"studies.{name}.{field_name}", [value] if isinstance(value, str) else list(value or ())
            for unknown in (each for each in chosen if each and each not in among):
                raise InputError.of(place, f"must be one of {reference.to}", unknown, nearest(unknown, among, reference.to))
            if len(set(chosen)) < len(chosen):
                raise InputError.of(place, "must not repeat one", chosen)
    return CheckedFile(document, datasets, folders, entries, tuple(_in_order(studies)))


def missing_networks(document: StudyDocument, studies: Iterable[Planned], load: Callable[[str], Any]) -> list[str]:
    """Load every network of some studies with `load`; list those that cannot be loaded, each with the key that provides it."""
    wanted = list(studies)
    entries = {(to, name) for planned in wanted for to in ("backbones", "models") for name in named(planned.settings, to)}
    networks: list[Network] = []
    for name, backbone in document.backbones.items():
        place = f"backbones.{name}"
        if ("backbones", name) in entries:
            options = {option: f"{place}.{option}" for option in type(backbone).model_fields}
            networks.append((place, options, partial(load, name)))
    for name, model in document.models.items():
        place = f"models.{name}"
        if ("models", name) in entries and model.pretrained is not False:
            keys = {"weights": f"{place}.pretrained", "pretrained": f"{place}.pretrained", "base": f"{place}.options.base"}
            begun = Path(model.pretrained) if isinstance(model.pretrained, str) else True
            build = partial(build_segmenter, model.segmenter or name, model.options, pretrained=begun)
            networks.append((place, keys, build))
    for planned in wanted:
        networks += planned.kind.networks(planned.settings, document)
    missing = {}
    for key, flags, network in networks:
        try:
            network()
        except HowfarError as error:
            missing[key] = f"{key}: {' '.join(error.line(flags).split())}"
    return list(missing.values())


def refuse_missing(lines: list[str]) -> None:
    """Raise `MissingPathError` with all missing items in one line, if there are any."""
    if len(lines) == 1:
        raise MissingPathError(lines[0])
    if lines:
        listed = "; ".join(f"({number}) {line}" for number, line in enumerate(lines, 1))
        raise MissingPathError(f"the study file needs {len(lines)} things that are missing: {one_line(listed, 100_000)}")


def _check_tables(document: StudyDocument) -> None:
    """Raise `InputError` for what is wrong in the tables of backbones, models, shared settings and datasets."""
    for name, entry in document.backbones.items():
        place, backbone = f"backbones.{name}", entry.backbone or name
        try:
            taken = takes(backbone)
        except UnknownNameError as error:
            raise InputError(f"{place}: {error}") from error
        for option in entry.chosen():
            if option not in taken:
                rule = f"must be an option of {backbone}"
                raise InputError.of(f"key of {place}", rule, option, nearest(option, taken, "options"))
    for name, model in document.models.items():
        try:
            segmenter_family(model.segmenter or name).checked(model.options)
        except HowfarError as error:
            raise InputError(f"models.{name}: {error}") from error
    # Each shared setting is one of some kind of study; the seed also serves the datasets' limits.
    kinds = [kind.settings for kind in every_kind().values()]
    known = {"seed"} | {field for settings in kinds for field in settings.model_fields}
    known -= {"title", *(field for settings in kinds for field in references(settings))}
    checked(SelectOptions, {"seed": document.settings.get("seed", 0)})
    for name in document.settings:
        if name not in known:
            remedy = nearest(name, sorted(known), "settings")
            raise InputError.of("key of settings", "must be a setting of a study", name, remedy)
    symbols: dict[str, str] = {}
    for name, dataset in document.datasets.items():
        if dataset.stands_for and dataset.stands_for in symbols:
            rule = f"must be another than that of {symbols[dataset.stands_for]}"
            raise InputError.of(f"datasets.{name}.stands_for", rule, dataset.stands_for, "leave one out")
        symbols[dataset.stands_for] = name
        try:
            re.compile(dataset.group or "")
        except re.error as error:
            rule = f"must be a regular expression ({error})"
            raise InputError.of(f"datasets.{name}.group", rule, dataset.group, "write '(.+)-[0-9]+' for tiles") from error


def _datasets(document: StudyDocument) -> tuple[dict[str, Dataset], dict[str, tuple[str, ...]], dict[str, DatasetEntry]]:
    read, folders, entries = dict[str, Dataset](), dict[str, tuple[str, ...]](), dict[str, DatasetEntry]()
    for name, entry in document.datasets.items():
        members = {name: entry.path} if not entry.each else _members(name, Path(entry.path))
        for member, path in members.items():
            place = f"datasets.{name}"
            if member in read or (entry.each and member in document.datasets):
                raise InputError.of(place, "must hold datasets with names of their own", member, "rename one of the two")
            with allowing(entry.allow_urls), reading_by(entry.foreground):
                try:
                    dataset = parse(path, name=member)
                except HowfarError as error:
                    raise type(error)(f"{place}: {error}") from error
            if not isinstance(dataset, Dataset):
                raise InputError.of(f"{place}.path", "must hold images, not embeddings", path)
            read[member], entries[member] = replace(dataset, name=member), entry
        if entry.each:
            folders[name] = tuple(members)
    return read, folders, entries


def _members(name: str, folder: Path) -> dict[str, str]:
    """Map the names of the folders in a folder of datasets to their paths.

    SUN397's own layout has folders of letters above the categories, whose kinds are folders again: f/field/wild is of field.
    """
    if not folder.is_dir():
        raise MissingPathError(f"datasets.{name}.path {str(folder)!r} is not a folder that is there")
    inside = [each for each in _visible(folder) if each.is_dir()]
    by_letter = [below for each in inside for below in _visible(each)]
    if all(len(each.name) == 1 for each in inside) and all(each.is_dir() and each.name not in KINDS for each in by_letter):
        inside = by_letter
    members = {each.name: str(each) for each in inside}
    if not members:
        raise InputError.of(f"datasets.{name}.path", "must hold a folder for each dataset", str(folder), "leave out each")
    return members


def _visible(folder: Path) -> list[Path]:
    return [each for each in sorted(folder.iterdir()) if not each.name.startswith(".")]


def _study(name: str, values: Mapping[str, Any], document: StudyDocument) -> Planned:
    place, kinds = f"studies.{name}", every_kind()
    if not _FOLDER.fullmatch(name) or name.casefold() in RESERVED:
        rule = f"must be words of letters, digits, _ and -, and none of {', '.join(sorted(RESERVED))}"
        raise InputError.of("name of a study", rule, name, "it is the name of its folder: rename it")
    chosen = values.get("kind", name)
    if not isinstance(chosen, str) or chosen not in kinds:
        remedy = nearest(str(chosen), list(kinds), "kinds")
        raise InputError.of(f"{place}.kind", "must be a kind of study", chosen, remedy)
    kind = kinds[chosen]
    own = {key: value for key, value in values.items() if key != "kind"}
    known = kind.settings.model_fields.keys() - kind.settings.UNSHARED
    shared = {key: value for key, value in document.settings.items() if key in known}
    return Planned(name, kind, checked_model(kind.settings, {**shared, **own}, place))


def _in_order(studies: Mapping[str, Planned]) -> list[Planned]:
    """Order studies after those they need, otherwise as in the file."""
    placed: dict[str, Planned] = {}

    def place(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise InputError.of("studies", "must not need each other in a circle", " → ".join((*above, name)))
        for need in studies[name].needs:
            place(need, (*above, name))
        placed.setdefault(name, studies[name])

    for name in studies:
        place(name, ())
    return list(placed.values())


def entry_loading(document: StudyDocument, name: str, device: str = "auto") -> tuple[str, dict[str, Any]]:
    """Return the registered name of a study file's backbone, and the options to load it."""
    entry = document.backbones[name]
    registered, options = entry.backbone or name, entry.chosen()
    placed = device != "auto" and "device" in takes(registered)
    return registered, {**options, "device": device} if placed else options


def load_entry(document: StudyDocument, name: str, device: str = "auto") -> Backbone:
    """Load a backbone of a study file."""
    registered, options = entry_loading(document, name, device)
    return load_backbone(registered, **options)


@dataclass
class Inputs:
    """Provide a study's inputs by the names in the study file.

    `folder` is the study's own, for what it keeps besides its result (models, maps). `results` are those of the studies that
    this one needs; `loaded` holds backbones for all studies of a run.
    """

    file: CheckedFile
    folder: Path
    execution: Execution
    device: str = "auto"
    results: Mapping[str, Result] = field(default_factory=dict)
    loaded: dict[str, Backbone] = field(default_factory=dict)

    def names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return dataset names, with a folder of datasets replaced by its datasets."""
        return self.file.expanded(names)

    def dataset(self, name: str) -> Dataset:
        """Return a dataset with the groups of its images, subsampled to its limit with the seed."""
        seed = int(self.file.document.settings.get("seed", 0))
        entry = self.file.entries[name]
        known = self.file.datasets[name]
        # One expression may be written for several datasets, of which some have no tiles.
        if entry.group is not None and fits([item.name for item in known.items], entry.group):
            (known,) = grouped([known], entry.group)
        return drawn(known, entry.limit, seed)

    def folder_of(self, study: str) -> Path:
        """Return the folder of another study of the run."""
        return self.folder.with_name(study)

    def datasets(self, names: Sequence[str]) -> list[Dataset]:
        """Return several datasets, with a folder of datasets replaced by its datasets."""
        return [self.dataset(name) for name in self.names(names)]

    def group(self, name: str) -> str | None:
        """Return the expression for the photographs of a dataset's tiles, None if the file gives none."""
        return self.file.entries[name].group

    def loading(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return a backbone's registered name and the options to load it."""
        return entry_loading(self.file.document, name, self.device)

    def backbone(self, name: str) -> Backbone:
        """Load a backbone of the file once for all studies."""
        if name not in self.loaded:
            self.loaded[name] = load_entry(self.file.document, name, self.device)
        return self.loaded[name]

    def model(self, name: str) -> ModelEntry:
        """Return a model's entry in the file, with the segmenter's name filled in."""
        entry = self.file.document.models[name]
        named_entry: ModelEntry = entry.model_copy(update={"segmenter": entry.segmenter or name})
        return named_entry

    def features(self, datasets: Sequence[Dataset], backbones: Sequence[Backbone]) -> list[tuple[Features, ...]]:
        """Embed datasets with several backbones, decoding each image once; return every dataset's features per backbone."""
        by_dataset = embed_all(list(datasets), list(backbones), *self.execution)
        return [tuple(view) for view in zip(*by_dataset, strict=True)]
