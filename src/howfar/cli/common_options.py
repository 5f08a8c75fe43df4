"""Give every command the options that all share: how much is printed, and which file of defaults is read."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from howfar.cli.config_file import Config, flag_of
from howfar.cli.terminal import say
from howfar.cli.verbosity import set_level, verbose
from howfar.progress import begin, end

QUIET = Annotated[bool, typer.Option("--quiet", help="Print results alone: no progress, no notes, no hints.")]
VERBOSE = Annotated[bool, typer.Option("--verbose", help="Print every note, and which defaults came from a file.")]


def _read(context: typer.Context, name: str | None) -> str | None:
    """Take the defaults of the command from the file of defaults, before its other options are read."""
    if not context.resilient_parsing:
        Config.current = Config.read(name)
        context.default_map = Config.current.defaults(context.command)
        _Parsed.context = context
    return name


class _Parsed:
    """Hold the context of the command that runs."""

    context: typer.Context | None = None


def typed_options() -> dict[str, str]:
    """Map the options that the command line set, by their parameters' names, to their flags."""
    context, found = _Parsed.context, dict[str, str]()
    if context is None:
        return found
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            found[parameter.name or ""] = flag_of(parameter)
    return found


CONFIG = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE|none",
        help="Read defaults here; by default from howfar.toml in this folder or above it, up to the repository's root.",
        is_eager=True,
        callback=_read,
    ),
]
_COMMON = {"quiet": (QUIET, False), "verbose": (VERBOSE, False), "config": (CONFIG, None)}


def with_common(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command's function, and name the command on stderr while it loads.

    A command of another package that has an option of the same name keeps its own.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())
    taken = {parameter.name for parameter in own}
    added = {key: entry for key, entry in _COMMON.items() if key not in taken}

    @wraps(function)
    def call(**given: Any) -> Any:
        level = {key: given.pop(key) for key in added if key != "config"}
        given = {key: value for key, value in given.items() if key not in added}
        if all(level.get(key) for key in ("quiet", "verbose")):
            # One of them may be a default of howfar.toml, over which the typed one wins.
            typed = {flag.removeprefix("--") for flag in typed_options().values()} & set(level)
            level |= {key: key in typed for key in level if len(typed) == 1}
        set_level(**level)
        Config.current.without([*typed_options().values()])
        if verbose():
            for line in Config.current.told():
                say(line, err=True)
        begin(f"howfar {name}")
        try:
            return function(**given)
        finally:
            end()

    keyword_only = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in own]
    keyword_only += [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for key, (kind, default) in added.items()
    ]
    call.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]  # PEP 362
    return call
