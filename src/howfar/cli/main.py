"""Assemble the `howfar` command line, write its help, run a command, and exit with a code and at most one error line.

`--help` lists at most ten options, those of `COMMON` or under the head "Options"; `--help-all` lists all.
"""

import gc
import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

import howfar
from howfar import registry
from howfar.cli.config_file import Config
from howfar.cli.exit_codes import INTERRUPTED, STOPPED, fail, flags_of, outcome
from howfar.cli.flags import ALL, OUTPUT, switch, with_common
from howfar.cli.printing import say, set_level
from howfar.command_table import COMMANDS, COMMON, ENTRIES, HEADS
from howfar.option_checks_and_signatures import check_variables, refuse_empty

FIRST: Final = "Options"
"""The head of common options, which `--help` lists."""
ORDER: Final = (
    "Arguments", FIRST, "Distance", "Pixels", "Performance", "How sure it is", "Photographs and labels", "Few labels",
    "Training", "Network", "Prompts", "Where it runs", OUTPUT,
)  # fmt: skip
"""The heads of options, in the order of a long help."""
OTHERS = "Of other packages"


class HeadedGroup(TyperGroup):
    """List commands under their headings (typer's `rich_help_panel`) as plain text; typer itself does so in boxes only."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section per heading, in the order of `COMMANDS`; headings without commands are left out."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        width = max((len(name) for name, _ in commands), default=0)
        for head in (*COMMANDS, OTHERS):
            rows = [
                (name.ljust(width), (command.help or "").partition("\n\n")[0].replace("\n", " "))
                for name, command in commands
                if command is not None and not command.hidden and getattr(command, "rich_help_panel", OTHERS) == head
            ]
            if rows:
                with formatter.section(head):
                    formatter.write_dl(rows)


MOST = 10
"""Number of options above which `--help` lists only the common ones."""
KINDS: Final = {"<int>": "N", "<int range>": "N", "<float>": "NUMBER", "<float range>": "NUMBER"}
"""The word for a value in a help, by typer's name of its type; a text is called TEXT."""
_KIND: Final = re.compile(r"<[a-z \[\]]+>")
CHANNELS: Final = 3
_NUMBER: Final = re.compile(r"-?[0-9.]+(?:e-?[0-9]+)?")


class ToldCommand(TyperCommand):
    """List options under topic headings as plain text; typer itself does so in boxes only."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, as in 0.1.0 three words after --mean and --std; print the usage first if none are given."""
        if not args and not ctx.resilient_parsing and any(parameter.required for parameter in self.params):
            say(self.get_usage(ctx), err=True)
            if self.name in ENTRIES:
                say(f"Example: howfar {self.name} {ENTRIES[self.name].example}", err=True)
        words: list[str] = []
        room = 0
        for word in args:
            number = _NUMBER.fullmatch(word) is not None
            if number and 0 < room < CHANNELS:
                words[-1] += f",{word}"
            else:
                words.append(word)
            room = CHANNELS if word in ("--mean", "--std") else room - 1 if number else 0
        if not ctx.resilient_parsing:
            refuse_empty(self.make_parser(ctx).parse_args(list(words))[0])
        return list(super().parse_args(ctx, words))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line, without typer's braces around arguments."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for the arguments and one per topic, in the order of `ORDER`."""
        sections: dict[str, list[tuple[str, str]]] = {}
        parameters, left_out = self.get_params(ctx), 0
        short = ALL not in ctx.meta and sum(parameter.param_type_name == "option" for parameter in parameters) > MOST
        common = COMMON.get(self.name or "", "").split()
        for parameter in parameters:
            is_argument = parameter.param_type_name == "argument"
            if is_argument:
                head = "Arguments"
            else:
                head = OUTPUT if parameter.name == "help" else getattr(parameter, "rich_help_panel", None) or FIRST
            named = parameter.name in common if common else head == FIRST or parameter.name == "json"
            if short and not is_argument and not named:
                left_out += 1
            elif (record := parameter.get_help_record(ctx)) is not None:
                # A value is named by a word; typer writes the type of Python.
                if is_argument:
                    names = record[0].partition(" <")[0].rstrip(".") + ("…" if parameter.nargs == -1 else "")
                else:
                    names = _KIND.sub(lambda kind: KINDS.get(kind[0], "TEXT"), record[0])
                sections.setdefault(head, []).append((names, record[1]))
        for head in sorted(sections, key=lambda head: (head not in ORDER, ORDER.index(head) if head in ORDER else 0)):
            with formatter.section(head):
                formatter.write_dl(sections[head])
        if left_out:
            formatter.write(f"\n{left_out} more options: howfar {self.name} --help-all\n")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write an example and the related commands."""
        if self.name in ENTRIES:
            entry = ENTRIES[self.name]
            with formatter.section("Example"):
                formatter.write(f"{' ' * formatter.current_indent}howfar {entry.name} {entry.example}\n")
            with formatter.section("See also"):
                formatter.write_text(", ".join(f"howfar {other}" for other in entry.see_also.split()))


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
    version: Annotated[bool, switch("--version", "Print the version.", callback=_print_version, is_eager=True)] = False,
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
        # The error line names parameters of the typed command as they are written on the command line.
        commands = parser().commands
        name = next((word for word in arguments if word in commands), None)
        flags = {} if name is None else flags_of(commands[name])
        if name == "study":
            # A study file has keys of the same names: name only flags that were typed.
            typed = {word.partition("=")[0] for word in arguments}
            flags = {parameter: flag for parameter, flag in flags.items() if flag in typed}
        return outcome(error, arguments, flags)
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
