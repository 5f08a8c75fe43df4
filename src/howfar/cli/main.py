"""Assemble the `howfar` command line from all commands, run a command, and exit with a code and at most one error line."""

import gc
import sys
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import typer

import howfar
from howfar import registry
from howfar.cli.command_help import OTHERS, HeadedGroup, ToldCommand
from howfar.cli.config_file import Config
from howfar.cli.exit_codes import INTERRUPTED, STOPPED, fail, flags_of, outcome
from howfar.cli.flags import with_common
from howfar.cli.terminal import set_level
from howfar.commands import HEADS
from howfar.option_validation import check_variables

_ABOUT = {"--help", "--help-all", "--version"}
"""Options that only ask about the command line."""
OBJECTS = 50_000
"""Number of new objects after which Python collects garbage."""
app = typer.Typer(
    name="howfar",
    cls=HeadedGroup,
    help="How far are new images from what a vision model was trained on?",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _add(name: str, function: Callable[..., Any]) -> None:
    app.command(name, cls=ToldCommand, rich_help_panel=HEADS.get(name, OTHERS))(with_common(name, function))


for _name in registry.OURS["commands"]:
    _add(_name, registry.load("commands", _name))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(howfar.__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """How far are new images from what a vision model was trained on?"""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line: exit 0, 2 for bad input, 1 for a failure, 130 when interrupted."""
    # Objects made by imports live on: searching them every 700 new objects would take a tenth of a short command's time.
    gc.set_threshold(OBJECTS)
    code = run(sys.argv[1:])
    # The process ends here, so Python need not collect garbage once more.
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code; every error becomes one line on stderr."""
    set_level()
    Config.current = Config()
    if not arguments or not registry.is_ours("commands", arguments[0]):
        _add_installed()
    try:
        if not _ABOUT & set(arguments):
            check_variables()
        code = parser()(arguments, prog_name="howfar", standalone_mode=False)
        # Report output that cannot be written now; Python would do so only at exit.
        if sys.stdout is not None:  # the caller may have closed it
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        return outcome(error, arguments, _flags(arguments))
    except SystemExit as end:
        # typer exits silently if the reader of the output has gone.
        if isinstance(end.__context__, BrokenPipeError):
            return outcome(end.__context__, arguments)
        raise
    return fail(STOPPED, INTERRUPTED) if code == INTERRUPTED else code if isinstance(code, int) else 0


def parser() -> Any:
    """Give the parser of the command line, whose `commands` are the parsers of the commands, built once."""
    return _parser(tuple(command.callback for command in app.registered_commands))


@cache
def _parser(commands: tuple[Any, ...]) -> Any:
    return typer.main.get_command(app)


def _flags(arguments: list[str]) -> dict[str, str]:
    """Map the typed command's parameters to their names on the command line; {} without a command."""
    commands = parser().commands
    name = next((word for word in arguments if word in commands), None)
    flags = {} if name is None else flags_of(commands[name])
    if name != "study":
        return flags
    # A study file has keys of the same names: name only flags that were typed.
    typed = {word.partition("=")[0] for word in arguments}
    return {parameter: flag for parameter, flag in flags.items() if flag in typed}


def _add_installed() -> None:
    """Add other packages' commands; a command that cannot be loaded gives a line on stderr."""
    added = {command.name for command in app.registered_commands}
    for name in registry.ordered("commands"):
        if name not in added:
            try:
                function = registry.load("commands", name)
                if not callable(function):
                    raise TypeError(f"{function!r} is no function")
                _add(name, function)
            except Exception as error:
                fail(f"the command {name} cannot be loaded ({type(error).__name__}: {error})", 1)
