"""Print by rich, but names as they are: neither as commands to a terminal nor as rich's own markup."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from howfar.progress import end
from howfar.wording import printable


class SafeConsole(Console):
    r"""Print each text in one line in which controls are written out, whether it stands alone or in the cell of a table.

    Examples
    --------
    >>> SafeConsole().print("a\x1b[31m[red].png")
    a\x1b[31m[red].png
    """

    def __init__(self, width: int | None = None) -> None:
        super().__init__(highlight=False, emoji=False, markup=False, width=width)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, where the name of what is being done has stood until now."""
        end()
        super().print(*objects, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn what is printed, or stands in a cell, into text of this console; rich calls it for every string."""
        return super().render_str(printable(text), **options)
