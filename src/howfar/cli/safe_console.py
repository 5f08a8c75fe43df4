"""Print with rich, but escape control characters and markup in names of datasets and files (`SafeConsole`)."""

from typing import Any

from rich.console import Console
from rich.text import Text

from howfar.progress import end
from howfar.text_formatting import printable


class SafeConsole(Console):
    """Print each text on one line with escaped control characters, alone or in a table cell."""

    def __init__(self, width: int | None = None) -> None:
        super().__init__(highlight=False, emoji=False, markup=False, width=width)

    def print(self, *objects: Any, **options: Any) -> None:
        """End the progress line, then print."""
        end()
        super().print(*objects, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert each printed string or cell to escaped text; rich calls this for every string."""
        return super().render_str(printable(text), **options)
