"""Define `StudyKind`, a kind of study that a study file (TOML) can list: its settings, its function and its cost estimate."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from howfar import registry
from howfar.errors import InputError
from howfar.io.atomic_writes import write_new_text
from howfar.option_checks_and_signatures import declared as declared_options
from howfar.options import REQUIRED, Option
from howfar.results.result import Result

Tables = Literal["datasets", "backbones", "models", "studies"]


@dataclass(frozen=True)
class EntryReference:
    """Mark a setting as a name, or names, of entries in another table of the study file.

    `to`: the table: datasets (a name of a folder of datasets stands for all in it), backbones, models or studies. `kind`:
    of studies, the kind that is meant. `one`: whether only a single dataset may be meant.
    """

    to: Tables
    kind: str = ""
    one: bool = False


_SOME: Final = Field(min_length=1)
DatasetName: TypeAlias = Annotated[str, EntryReference("datasets", one=True)]
DatasetNames: TypeAlias = Annotated[tuple[str, ...], EntryReference("datasets"), _SOME]
BackboneNames: TypeAlias = Annotated[tuple[str, ...], EntryReference("backbones"), _SOME]
ModelNames: TypeAlias = Annotated[tuple[str, ...], EntryReference("models"), _SOME]


class KindSettings(BaseModel):
    """Hold the settings of one study of a file; a kind's own settings are a subclass.

    `title`: heading of the study's section in the report; by default the kind's. `UNSHARED`: settings that mean something
    else than in other kinds, so that those of all studies do not reach them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    UNSHARED: ClassVar[frozenset[str]] = frozenset()

    title: str = Field("", description="Heading of the study's section in the report; by default the kind's.")


def setting(declared: Any, **changes: Any) -> Any:
    """Make a field of `KindSettings` from an option in `howfar.options`, with its default, rule and help, and `changes`."""
    option = next(each for each in get_args(declared) if isinstance(each, Option))
    default = {} if option.default is REQUIRED else {"default": option.default}
    return Field(**{**default, "description": option.help, **option.rule, **changes})


def fields_of(keywords: type, leave_out: Collection[str] = (), **changes: Any) -> dict[str, Any]:
    """Make fields of a study-file table from a function's options, for `pydantic.create_model`; `changes` are further ones."""
    options = {name: entry for name, entry in declared_options(keywords).items() if name not in leave_out}
    return {name: (written_type(kind), setting(Annotated[kind, option])) for name, (kind, option) in options.items()} | changes


def written_type(kind: Any) -> Any:
    """Return the TOML type of an option: a tuple for a sequence, text for a path."""
    if get_origin(kind) in (Union, UnionType):
        parts = dict.fromkeys(written_type(part) for part in get_args(kind))
        return reduce(or_, parts)
    if kind is Path:
        return str
    return GenericAlias(tuple, (get_args(kind)[0], ...)) if get_origin(kind) is Sequence else kind


@dataclass(frozen=True)
class Work:
    """Count a study's computations, for the estimate of ``--dry-run``.

    `embedded`: by backbone (a perturbed one has a name of its own) the names of the datasets that it sees. `trained`: by
    model the number of trainings, each on so many images: pairs (trainings, images). `predicted`: by model the number of
    probability maps.
    """

    embedded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trained: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    predicted: Mapping[str, int] = field(default_factory=dict)


Network: TypeAlias = tuple[str, Mapping[str, str], Callable[[], object]]
"""A network that a study loads: its place in the study file, the keys of its options, and a function that loads it."""


@dataclass(frozen=True)
class StudyKind:
    """Describe a kind of study, registered by name in `howfar.registry` or by an entry point in ``howfar.studies``.

    `title` heads its section in the report; `summary` says in a line what it answers and which tables and figures it makes.
    `run` (settings, `Inputs`) returns a result of class `result`, and writes nothing but below ``inputs.folder``. `work` says
    what it has to compute, by default nothing of weight; `check` raises `HowfarError` for settings that are wrong together,
    before any work starts; `networks` (settings, document) are those that it loads beside the file's backbones and models.
    `section` (result, `howfar.report.section.Context`) returns the report's `Section`; howfar's own are registered as
    `study_sections`.
    """

    name: str
    title: str
    summary: str
    settings: type[KindSettings]
    run: Callable[[Any, Any], Result]
    result: type[Result]
    work: Callable[[Any, Any], Work] = lambda settings, inputs: Work()
    check: Callable[[Any, Any], None] = lambda settings, inputs: None
    networks: Callable[[Any, Any], Iterable[Network]] = lambda settings, document: ()
    section: Callable[[Any, Any], Any] | None = None


def references(settings: type[BaseModel]) -> dict[str, EntryReference]:
    """List a kind's settings that name entries in other tables."""
    fields = settings.model_fields.items()
    return {name: mark for name, info in fields for mark in info.metadata if isinstance(mark, EntryReference)}


def check_roles(primary: str, secondaries: Sequence[str]) -> None:
    """Raise `InputError` if the primary dataset is among the secondaries, as part of a folder of datasets."""
    if primary in secondaries:
        rule = "must not hold the primary dataset"
        raise InputError.of("secondaries", rule, primary, "name the others, or keep the primary in another folder")


def named(settings: BaseModel, to: Tables) -> tuple[str, ...]:
    """List the entries of a table that the settings name, without repetitions; "" names none."""
    names: list[str] = []
    for field_name, reference in references(type(settings)).items():
        if reference.to == to:
            value = getattr(settings, field_name)
            names += [value] if isinstance(value, str) else list(value or ())
    return tuple(dict.fromkeys(filter(None, names)))


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


def every_kind() -> dict[str, StudyKind]:
    """Load every registered kind of study, by name."""
    return {name: registry.load("studies", name) for name in registry.ordered("studies")}


TEMPLATE: Final = Path(__file__).with_name("start.toml")


_NAMED: Final = {"datasets": ["site_a", "site_b"], "backbones": ["lite0"], "models": ["deepcrack"], "studies": ["adaptation"]}
"""Entries of the template that a start of each kind of study names."""


def write_start(file: str | Path) -> Path:
    """Write a start of a study file with every kind of study, and return its path; an existing file is not replaced."""
    parts = [TEMPLATE.read_text(encoding="utf-8")]
    for key, kind in every_kind().items():
        if key == "components":  # it is in the template
            continue
        # Commented: the entries that the kind must name, then its options with their defaults.
        lines, marks = [f"# [studies.{kind.name}]  # {kind.title}"], references(kind.settings)
        for name, info in kind.settings.model_fields.items():
            if info.is_required():
                mark, value = marks.get(name), "…"
                if mark is not None:
                    single = mark.one or mark.to == "studies"
                    value = json.dumps("roads" if mark.one else _NAMED[mark.to][0] if single else _NAMED[mark.to])
                lines.append(f"# {name} = {value}")
            elif name != "title" and name not in marks:
                default = "…" if info.default is None else json.dumps(info.default)
                lines.append(f"#   # {name} = {default}  # {info.description}")
        parts.append("\n".join(lines) + "\n")
    return write_new_text(file, "\n".join(parts), "study file")
