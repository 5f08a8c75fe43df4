"""List the commands of `howfar --help` under heads, each with its whole sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHERS = "Of other packages"
HEADS: Mapping[str, tuple[str, ...]] = {
    "Begin here": ("demo", "assess", "explain"),
    "Distance": ("compare", "matrix", "embed", "backbones"),
    "Performance": ("evaluate", "relate", "corrupt", "certify"),
    "Look, choose and label": ("explore", "strategies", "select", "labels"),
    "New images as they arrive": ("profile", "score", "check"),
    "Train and predict": ("train", "predict", "adapt", "prompts"),
    "Studies and reports": ("study", "report"),
    "Data and stored features": ("data", "store", "export"),
}


def head_of(command: str) -> str:
    """Return the head that a command of howfar stands under, and one of its own for those of other packages.

    Examples
    --------
    >>> head_of("compare"), head_of("greet")
    ('Distance', 'Of other packages')
    """
    return next((head for head, names in HEADS.items() if command in names), OTHERS)


class HeadedGroup(TyperGroup):
    """Write commands under their heads (typer's `rich_help_panel`) in plain text; typer does that in boxes alone."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section a head, in the order of `HEADS`; a head without commands has none."""
        width = max(map(len, self.list_commands(ctx)), default=0)
        for head in (*HEADS, OTHERS):
            if rows := list(self._rows(ctx, head)):
                with formatter.section(head):
                    formatter.write_dl([(name.ljust(width), sentence) for name, sentence in rows])

    def _rows(self, ctx: Any, head: str) -> Iterator[tuple[str, str]]:
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden and getattr(command, "rich_help_panel", OTHERS) == head:
                yield name, (command.help or "").partition("\n\n")[0].replace("\n", " ")
