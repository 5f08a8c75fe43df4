"""Validate a function's options against their declarations, and add the options to its signature and docstring."""

import difflib
import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache, wraps
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from howfar.allowed_url_hosts import allowing, named_by_variable
from howfar.errors import InputError, rule_broken
from howfar.image_reading_options import reading_by, reading_pixels
from howfar.io.file_location import leaving_no_empty_folder
from howfar.memory import by_variable
from howfar.options import FOLDED, HIDDEN, REQUIRED, But, Option

Keywords = TypeVar("Keywords", bound=Mapping[str, Any])
Function = TypeVar("Function", bound=Callable[..., Any])
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_SECTION = re.compile(r"^(Returns|Raises|Examples)\n-+$", re.MULTILINE)


class Declared(NamedTuple):
    """Hold an option and its type, as one function declares them."""

    kind: Any
    option: Option


@cache
def declared(keywords: type) -> dict[str, Declared]:
    """Collect a function's options by name from the `TypedDict` of its keywords."""
    found = {}
    for name, hint in get_type_hints(keywords, include_extras=True).items():
        kind, option, *others = get_args(hint)
        for other in others:
            option = replace(option, **other.changes) if isinstance(other, But) else option
        found[name] = Declared(kind, option)
    return found


def checked(keywords: type[Keywords], given: Mapping[str, Any]) -> Keywords:
    """Check a function's keywords and fill in the defaults; raise `InputError` for a bad value, with rule and remedy."""
    from pydantic import ValidationError

    options = declared(keywords)
    values = {_renamed(name, options): value for name, value in given.items()}
    if len(values) < len(given):
        twice = next(name for name in given if _renamed(name, options) != name)
        raise InputError.of(twice, f"must not be given beside {_renamed(twice, options)}, its new name", given[twice])
    refuse_unknown(values, options)
    try:
        model = _model(keywords)(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        default = options[name].option.default
        remedy = "" if default in (REQUIRED, None) else f"the default is {default!r}"
        raise InputError.of(name, rule_broken(first), first["input"], remedy) from error
    return keywords(**{name: getattr(model, name) for name in options})


def _renamed(name: str, options: Mapping[str, Declared]) -> str:
    return next((new for new, (_, option) in options.items() if option.was == name), name)


@cache
def _model(keywords: type) -> Any:
    from pydantic import ConfigDict, Field, create_model

    fields: dict[str, Any] = {}
    for name, (kind, option) in declared(keywords).items():
        # A sequence is checked as a tuple, which is read once and cannot change.
        is_sequence = getattr(get_origin(kind), "__name__", "") == "Sequence"
        kind_checked = GenericAlias(tuple, (get_args(kind)[0], ...)) if is_sequence else kind
        fields[name] = (Any, option.default) if option.free else (kind_checked, Field(option.default, **option.rule))
    return create_model(keywords.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """Raise `InputError` for the first unknown option name, and name the nearest known one."""
    for name in given:
        if name not in known:
            raise InputError.of("option", "must be a known one", name, nearest(name, known, "options"))


def refuse_empty(given: Mapping[str, Any]) -> None:
    """Raise `InputError` for the first parameter that is an empty text, or a list with one."""
    for name, value in given.items():
        if any(isinstance(each, str) and not each for each in (value if isinstance(value, (list, tuple)) else (value,))):
            raise InputError.of(name, "must not be empty", "", "leave it out, or give it a value")


def nearest(name: str, known: Collection[str], what: str) -> str:
    """Suggest the nearest known name, or list all known names, called `what`, if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"the {what} are {', '.join(known) or 'none'}"


def command_words(keywords: type, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Write the options that differ from their defaults as words of a command line, but those without flags, and objects."""
    words: list[str] = []
    for name, (_, option) in declared(keywords).items():
        value = given.get(name)
        if value is None or value == option.default or option.flags in (HIDDEN, FOLDED):
            continue
        flag = option.flags[0] if option.flags else f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, (str, Path, int, float)):
            words += [flag, str(value)]
        elif isinstance(value, Mapping):
            words += [flag, ",".join(f"{key}={part}" for key, part in value.items())]
        elif isinstance(value, Sequence):
            words += [flag, ",".join(map(str, value))]
    return tuple(words)


def picked(keywords: type[Keywords], given: Mapping[str, Any]) -> Keywords:
    """Return the given options that `keywords` declares, without those that are None (the default)."""
    return keywords(**{name: given[name] for name in declared(keywords) if given.get(name) is not None})


def with_options(keywords: type) -> Callable[[Function], Function]:
    """Add options to signature and documentation of a function that ends in ``**options: Unpack[keywords]``; refuse others."""

    def decorate(function: Function) -> Function:
        own = [each for each in inspect.signature(function).parameters.values() if each.kind is not each.VAR_KEYWORD]
        options = declared(keywords)
        names = [*options, *(each.name for each in own), *(option.was for _, option in options.values() if option.was)]

        @wraps(function)
        def call(*arguments: Any, **given: Any) -> Any:
            refuse_unknown(given, names)
            refuse_empty({**dict(zip((each.name for each in own), arguments, strict=False)), **given})
            check_variables()
            with (
                allowing(given.get("allow_urls", ())),
                reading_by(given.get("foreground")),
                reading_pixels(given),
                leaving_no_empty_folder(),
            ):
                return function(*arguments, **given)

        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=spelt(kind))
            for name, (kind, option) in options.items()
        ]
        call.__signature__ = inspect.signature(function).replace(parameters=[*own, *parameters])  # type: ignore[attr-defined]  # PEP 362
        call.__doc__ = _documented(function.__doc__ or "", options)
        return cast("Function", call)

    return decorate


def check_variables() -> None:
    """Check the environment variables that control the reading of files; raise `InputError` with variable, value and remedy."""
    by_variable()
    named_by_variable()


def _documented(text: str, options: Mapping[str, Declared]) -> str:
    """Add an entry for each option to a docstring, after the function's own parameters."""
    text = inspect.cleandoc(text)
    entries = []
    for name, (kind, option) in options.items():
        rule = " and ".join(f"{_BOUNDS[bound]} {value}" for bound, value in option.rule.items() if bound in _BOUNDS)
        limits = ", ".join(filter(None, [option.unit and f"in {option.unit}", rule]))
        sentence = f" {limits[0].upper()}{limits[1:]}." if limits else ""
        entries.append(f"{name} : {spelt(kind)}, default {option.default!r}\n    {option.help}{sentence}")
    added = "\n".join(entries)
    section = _SECTION.search(text)
    end = section.start() if section else len(text)
    return f"{text[:end].rstrip()}\n{added}\n\n{text[end:]}"


def spelt(kind: Any) -> str:
    """Write a type as documentation shows it."""
    if get_origin(kind) in (Union, UnionType):
        return " | ".join(map(spelt, get_args(kind)))
    if get_origin(kind) is Literal:
        return " | ".join(map(repr, get_args(kind)))
    if kind is NoneType:
        return "None"
    return re.sub(r"\b(\w+\.)+", "", inspect.formatannotation(kind))
