"""Check a whole study file before any work, and load its studies' datasets, backbones and results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar import registry
from howfar.backbones import load_backbone, takes
from howfar.data import Dataset, parse
from howfar.errors import HowfarError, InputError, MissingPathError, UnknownNameError
from howfar.keywords import SelectOptions
from howfar.mask_colour import reading_by
from howfar.pipeline import embed_all
from howfar.results import Features
from howfar.results.result import Result
from howfar.segmenters import segmenter_family
from howfar.settings import checked, nearest
from howfar.studies.study_file.document import BackboneEntry, DatasetEntry, ModelEntry, StudyDocument, checked_model
from howfar.studies.study_file.kind import StudyKind, named, references
from howfar.studies.study_file.requirements import missing_networks, missing_paths, refuse_missing
from howfar.studies.study_inputs import Execution, drawn
from howfar.url_hosts import allowing

if TYPE_CHECKING:
    from howfar.protocols import Backbone


@dataclass(frozen=True)
class Planned:
    """Hold a study of the file: its name, kind and checked settings."""

    name: str
    kind: StudyKind
    settings: Any

    @property
    def title(self) -> str:
        """Return the heading of the study's section."""
        return str(self.settings.title) or self.kind.title

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of the studies whose results this study reads."""
        return named(self.settings, "studies")


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
    for name, backbone in document.backbones.items():
        _check_backbone(name, backbone)
    for name, model in document.models.items():
        _check_model(name, model)
    _check_shared(document)
    _check_entries(document)
    studies = {name: _study(name, values, document) for name, values in document.studies.items()}
    if missing := missing_paths(document):
        refuse_missing(missing + missing_networks(document, studies.values(), partial(load_entry, document)))
    datasets, folders, entries = _datasets(document)
    known: dict[str, Sequence[str]] = {
        "datasets": [*datasets, *folders],
        "backbones": list(document.backbones),
        "models": list(document.models),
        "studies": list(studies),
    }
    for name, planned in studies.items():
        for setting, reference in references(type(planned.settings)).items():
            value = getattr(planned.settings, setting)
            if value == "" and type(planned.settings).model_fields[setting].is_required():
                raise InputError.of(f"studies.{name}.{setting}", f"must name one of {reference.to}", value)
            among = [
                entry
                for entry in known[reference.to]
                if not (reference.to == "studies" and studies[entry].kind.name != reference.kind)
                and not (reference.one and entry in folders)
            ]
            _check_reference(f"studies.{name}.{setting}", value, reference.to, among)
    return CheckedFile(document, datasets, folders, entries, tuple(_in_order(studies)))


def _check_backbone(name: str, entry: BackboneEntry) -> None:
    place, backbone = f"backbones.{name}", entry.backbone or name
    try:
        taken = takes(backbone)
    except UnknownNameError as error:
        raise InputError(f"{place}: {error}") from error
    for option in entry.chosen():
        if option not in taken:
            rule = f"must be an option of {backbone}"
            raise InputError.of(f"key of {place}", rule, option, nearest(option, taken, "options"))


def _check_model(name: str, entry: ModelEntry) -> None:
    try:
        segmenter_family(entry.segmenter or name).checked(entry.options)
    except HowfarError as error:
        raise InputError(f"models.{name}: {error}") from error


def _kinds() -> dict[str, StudyKind]:
    return {name: registry.load("studies", name) for name in registry.ordered("studies")}


def _check_shared(document: StudyDocument) -> None:
    """Raise `InputError` for a shared setting that no kind of study has (the seed also serves the datasets' limits)."""
    kinds = [kind.settings for kind in _kinds().values()]
    known = {"seed"} | {field for settings in kinds for field in settings.model_fields}
    known -= {"title", *(field for settings in kinds for field in references(settings))}
    checked(SelectOptions, {"seed": document.settings.get("seed", 0)})
    for name in document.settings:
        if name not in known:
            remedy = nearest(name, sorted(known), "settings")
            raise InputError.of("key of settings", "must be a setting of a study", name, remedy)


def _check_entries(document: StudyDocument) -> None:
    """Raise `InputError` for a group that is no regular expression, and for two datasets with one symbol of the paper."""
    symbols: dict[str, str] = {}
    for name, entry in document.datasets.items():
        if entry.stands_for and entry.stands_for in symbols:
            rule = f"must be another than that of {symbols[entry.stands_for]}"
            raise InputError.of(f"datasets.{name}.stands_for", rule, entry.stands_for, "leave one out")
        symbols[entry.stands_for] = name
        try:
            re.compile(entry.group or "")
        except re.error as error:
            rule = f"must be a regular expression ({error})"
            raise InputError.of(f"datasets.{name}.group", rule, entry.group, "write '(.+)-[0-9]+' for tiles") from error


def _datasets(document: StudyDocument) -> tuple[dict[str, Dataset], dict[str, tuple[str, ...]], dict[str, DatasetEntry]]:
    read: dict[str, Dataset] = {}
    entries: dict[str, DatasetEntry] = {}
    folders: dict[str, tuple[str, ...]] = {}
    for name, entry in document.datasets.items():
        members = {name: entry.path} if not entry.each else _members(name, Path(entry.path))
        for member, path in members.items():
            place = f"datasets.{name}"
            if member in read or (entry.each and member in document.datasets):
                raise InputError.of(place, "must hold datasets with names of their own", member, "rename one of the two")
            with allowing(entry.allow_urls), reading_by(entry.foreground):
                read[member] = _read(place, member, path)
            entries[member] = entry
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


def _read(place: str, name: str, path: str) -> Dataset:
    try:
        dataset = parse(path, name=name)
    except HowfarError as error:
        raise type(error)(f"{place}: {error}") from error
    if not isinstance(dataset, Dataset):
        raise InputError.of(f"{place}.path", "must hold images, not embeddings", path)
    return replace(dataset, name=name)


def _study(name: str, values: Mapping[str, Any], document: StudyDocument) -> Planned:
    place, kinds = f"studies.{name}", _kinds()
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


def _check_reference(place: str, value: Any, table: str, among: Sequence[str]) -> None:
    names = [value] if isinstance(value, str) else list(value or ())
    for name in filter(None, names):
        if name not in among:
            raise InputError.of(place, f"must be one of {table}", name, nearest(name, among, table))
    if len(set(names)) < len(names):
        raise InputError.of(place, "must not repeat one", names)


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

    `folder` is the study's own, for what it keeps besides its result (models, maps). `seed` draws a dataset's limit.
    `results` and `folders` are those of the studies that this one needs; `loaded` holds backbones for all studies of a run.
    """

    file: CheckedFile
    folder: Path
    execution: Execution
    device: str = "auto"
    seed: int = 0
    results: Mapping[str, Result] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    loaded: dict[str, Backbone] = field(default_factory=dict)

    def names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return dataset names, with a folder of datasets replaced by its datasets."""
        return self.file.expanded(names)

    def dataset(self, name: str) -> Dataset:
        """Return a dataset, subsampled to its limit with the seed."""
        return drawn(self.file.datasets[name], self.file.entries[name].limit, self.seed)

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

    @property
    def keywords(self) -> dict[str, Any]:
        """Return the keywords with which `howfar.compare` stores features and computes as this study does."""
        return self.execution._asdict()
