"""Define a kind of study that a study file can name: its settings, what it refers to, its work, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from howfar.errors import InputError
from howfar.options import REQUIRED, Option
from howfar.settings import Declared, checkable

if TYPE_CHECKING:
    from howfar.results.result import Result

Tables = Literal["datasets", "backbones", "models", "studies"]


@dataclass(frozen=True)
class EntryReference:
    """Mark a setting as the name, or names, of entries of another table of the study file.

    Attributes
    ----------
    to
        The table: datasets (a name of a folder of datasets stands for all in it), backbones, models or studies.
    kind
        Of studies, the kind that is meant.
    one
        Whether only a single dataset may be meant.
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

    Attributes
    ----------
    title
        Heading of the study's section in the report; by default the kind's.
    UNSHARED
        Settings that mean something else than in other kinds, so that those of all studies do not reach them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    UNSHARED: ClassVar[frozenset[str]] = frozenset()

    title: str = Field("", description="Heading of the study's section in the report; by default the kind's.")


def setting(declared: Any, **changes: Any) -> Any:
    """Make a field of `KindSettings` of an option that `howfar.options` declares: its default, rule and help.

    `changes` are keywords of `pydantic.Field` that differ here.

    Examples
    --------
    >>> from howfar import options
    >>> setting(options.Components).default
    25
    """
    option = next(each for each in get_args(declared) if isinstance(each, Option))
    default = {} if option.default is REQUIRED else {"default": option.default}
    return Field(**{**default, "description": option.help, **option.rule, **changes})


def fields_of(options: Mapping[str, Declared]) -> dict[str, Any]:
    """Make fields of `KindSettings` of options as a function declares them: each with its type, default, rule and help.

    Examples
    --------
    >>> from howfar.keywords import AdaptOptions
    >>> from howfar.settings import declared
    >>> kind, field = fields_of(declared(AdaptOptions))["way"]
    >>> kind, field.default
    (<class 'str'>, 'retrain')
    """
    return {
        name: (checkable(kind), Field(option.default, description=option.help, **option.rule))
        for name, (kind, option) in options.items()
    }


@dataclass(frozen=True)
class Work:
    """Count what a study has to compute, for the estimate of ``--dry-run``.

    Attributes
    ----------
    embedded
        By backbone (a perturbed one has a name of its own) the names of the datasets that it sees.
    trained
        By model the number of trainings, each on so many images: pairs (trainings, images).
    predicted
        By model the number of probability maps.
    """

    embedded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trained: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    predicted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyKind:
    """Register a kind of study under one name; a line of `howfar.registry` or an entry point in ``howfar.studies`` names it.

    Attributes
    ----------
    name
        Its registered name, which the file's `kind` names.
    title, summary
        The heading of its section in the report; one line that says what it answers, and which tables and figures it makes.
    settings
        Its settings, a subclass of `KindSettings`.
    run
        (settings, `Inputs`) -> result; it writes nothing but below ``inputs.folder``.
    result
        The class of its result, which is saved and read back.
    work
        (settings, inputs) -> what it has to compute.
    check
        (settings, inputs) -> None; raises `HowfarError` for what is wrong together, before any work starts.
    """

    name: str
    title: str
    summary: str
    settings: type[KindSettings]
    run: Callable[[Any, Any], Result]
    result: type[Result]
    work: Callable[[Any, Any], Work]
    check: Callable[[Any, Any], None] = lambda settings, inputs: None


def references(settings: type[BaseModel]) -> dict[str, EntryReference]:
    """List the settings of a kind that name entries of other tables."""
    found: dict[str, EntryReference] = {}
    for name, info in settings.model_fields.items():
        marks = [mark for mark in info.metadata if isinstance(mark, EntryReference)]
        if marks:
            found[name] = marks[0]
    return found


def check_roles(primary: str, secondaries: Sequence[str]) -> None:
    """Refuse a primary dataset that is among the secondaries, as a folder of datasets that holds it is.

    Raises `InputError`.
    """
    if primary in secondaries:
        rule = "must not hold the primary dataset"
        raise InputError.of("secondaries", rule, primary, "name the others, or keep the primary in another folder")


def named(settings: BaseModel, to: Tables) -> tuple[str, ...]:
    """List the entries of a table that settings name, each once, in their order; what is left out ("") names none.

    Examples
    --------
    >>> class Two(KindSettings):
    ...     primary: DatasetName
    ...     secondaries: DatasetNames
    >>> named(Two(primary="roads", secondaries=("north", "roads")), "datasets")
    ('roads', 'north')
    """
    names: list[str] = []
    for field_name, reference in references(type(settings)).items():
        if reference.to == to:
            value = getattr(settings, field_name)
            names += [value] if isinstance(value, str) else list(value or ())
    return tuple(dict.fromkeys(filter(None, names)))
