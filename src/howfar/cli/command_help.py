"""Write a command's help: its options under heads by topic, then an example, and what to see also."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from typer.core import TyperCommand

from howfar.cli.command_examples import EXAMPLES, SEE_ALSO
from howfar.cli.option_topics import FIRST, ORDER, topic_of

LONG = 10
"""Options from which on they stand under heads."""
CHANNELS: Final = 3
_NUMBER: Final = re.compile(r"-?[0-9.]+(?:e-?[0-9]+)?")


class ToldCommand(TyperCommand):
    """Write options under the heads of their topics in plain text, where there are many; typer does that in boxes alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read --mean and --std as three words too, as 0.1.0 did."""
        return list(super().parse_args(ctx, joined_channels(args)))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for the arguments, and one a topic, in the order of `howfar.cli.option_topics`."""
        sections: dict[str, list[tuple[str, str]]] = {}
        parameters = self.get_params(ctx)
        long = sum(parameter.param_type_name == "option" for parameter in parameters) >= LONG
        for parameter in parameters:
            if (record := parameter.get_help_record(ctx)) is not None:
                sections.setdefault(_head(parameter, long), []).append(record)
        for head in sorted(sections, key=lambda head: (head not in ORDER, ORDER.index(head) if head in ORDER else 0)):
            with formatter.section(head):
                formatter.write_dl(sections[head])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write an example, and the commands to see also."""
        name = self.name or ""
        if name in EXAMPLES:
            with formatter.section("Example"):
                for line in EXAMPLES[name]:
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")
        if name in SEE_ALSO:
            with formatter.section("See also"):
                formatter.write_text(", ".join(f"howfar {other}" for other in SEE_ALSO[name]))


def joined_channels(arguments: Sequence[str]) -> list[str]:
    """Join up to three numbers behind --mean and --std to one word.

    Examples
    --------
    >>> joined_channels(["--mean", "0.5", "0.4", "0.3", "--std", "1,1,1", "2"])
    ['--mean', '0.5,0.4,0.3', '--std', '1,1,1', '2']
    """
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


def _head(parameter: Any, long: bool) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return topic_of(parameter.name) if long else FIRST
