"""Write the help of `howfar` and its commands: commands and options under headings, an example, related commands.

`--help` lists at most ten options: those that `CommandEntry.common` names, else a command's own and those declared under the
head "Options". `--help-all` lists every option.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand, TyperGroup

from howfar.cli.terminal import say
from howfar.commands import COMMANDS, ENTRIES
from howfar.option_validation import refuse_empty

if TYPE_CHECKING:
    from collections.abc import Iterator


FIRST: Final = "Options"
"""The head of common options, which `--help` lists."""
OUTPUT: Final = "Output and defaults"
ALL: Final = "howfar.help_all"
"""Key of a context's `meta` under which `--help-all` asks for every option."""
ORDER: Final = (
    *(
        "Arguments",
        FIRST,
        "Distance",
        "Pixels",
        "Performance",
        "How sure it is",
        "Photographs and labels",
        "Few labels",
        "Training",
    ),
    *("Network", "Prompts", "Where it runs", OUTPUT),
)
"""The heads of options, in the order of a long help."""
OTHERS = "Of other packages"


class HeadedGroup(TyperGroup):
    """List commands under their headings (typer's `rich_help_panel`) as plain text; typer itself does so in boxes only."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section per heading, in the order of `COMMANDS`; headings without commands are left out."""
        width = max(map(len, self.list_commands(ctx)), default=0)
        for head in (*COMMANDS, OTHERS):
            if rows := list(self._rows(ctx, head)):
                with formatter.section(head):
                    formatter.write_dl([(name.ljust(width), sentence) for name, sentence in rows])

    def _rows(self, ctx: Any, head: str) -> Iterator[tuple[str, str]]:
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden and getattr(command, "rich_help_panel", OTHERS) == head:
                yield name, (command.help or "").partition("\n\n")[0].replace("\n", " ")


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
        """Parse arguments, accepting three words after --mean and --std as version 0.1.0 did.

        Without any argument, a command that needs some prints its usage and its example on stderr first.
        """
        if not args and not ctx.resilient_parsing and any(parameter.required for parameter in self.params):
            say(self.get_usage(ctx), err=True)
            if self.name in ENTRIES:
                say(f"Example: howfar {self.name} {ENTRIES[self.name].example}", err=True)
        words = joined_channels(args)
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
        common = ENTRIES[self.name].common.split() if self.name in ENTRIES else []
        for parameter in parameters:
            head = _head(parameter)
            named = parameter.name in common if common else head == FIRST or parameter.name == "json"
            if short and head != "Arguments" and not named:
                left_out += 1
            elif (record := parameter.get_help_record(ctx)) is not None:
                sections.setdefault(head, []).append((_in_words(parameter, record[0]), record[1]))
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


def joined_channels(arguments: Sequence[str]) -> list[str]:
    """Join up to three numbers after --mean and --std into one word."""
    words: list[str] = []
    room = 0
    for word in arguments:
        number = _NUMBER.fullmatch(word) is not None
        if number and 0 < room < CHANNELS:
            words[-1] += f",{word}"
        else:
            words.append(word)
        room = CHANNELS if word in ("--mean", "--std") else room - 1 if number else 0
    return words


def _head(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return OUTPUT if parameter.name == "help" else getattr(parameter, "rich_help_panel", None) or FIRST


def _in_words(parameter: Any, names: str) -> str:
    """Name a parameter's value by a word; typer writes the type of Python."""
    if parameter.param_type_name == "argument":
        return names.partition(" <")[0].rstrip(".") + ("…" if parameter.nargs == -1 else "")
    return _KIND.sub(lambda kind: KINDS.get(kind[0], "TEXT"), names)
