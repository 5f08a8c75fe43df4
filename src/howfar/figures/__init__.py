"""Draw figures of results, and register each figure for reports with its caption and alternative text.

They are reached by name (``comparison.plot.violin()``) or imported from their modules; matplotlib is loaded only then.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeVar

Draw = TypeVar("Draw", bound=Callable[..., Any])


@dataclass(frozen=True)
class Caption:
    """Hold a figure's heading, an explanation, and a text alternative with the numbers."""

    title: str
    text: str
    alternative: str


@dataclass(frozen=True)
class Registration:
    """Attach a caption to a drawing function, which is returned unchanged otherwise.

    A line of `howfar.registry`, or an entry point in another package, then puts the figure on the page of its kind of result.
    `caption`, `shows` (whether there is anything to draw) and `vector` (False leaves out the .svg file, as for photographs) are
    functions of the result. A figure for a `phone` is drawn a second time, narrow (`howfar.figures.style.for_phone`).

    Examples
    --------
    >>> @registered(lambda result: Caption("Sizes", "Images of each set.", f"{result} images"))
    ... def sizes(result):
    ...     return "a figure"
    >>> sizes(3), registration("sizes", sizes).caption(3).alternative
    ('a figure', '3 images')
    """

    caption: Callable[[Any], Caption]
    _: KW_ONLY
    shows: Callable[[Any], object] = lambda _: True
    vector: Callable[[Any], bool] | bool = True
    phone: bool = False

    def __call__(self, draw: Draw) -> Draw:
        """Return the function with this registration, which `registration` finds."""
        vars(draw)["registration"] = self
        return draw

    def has_vectors(self, result: Any) -> bool:
        """Return whether the figure of a result has an .svg file."""
        return bool(self.vector(result) if callable(self.vector) else self.vector)


registered = Registration


def registration(name: str, draw: Callable[..., Any]) -> Registration:
    """Return a figure's registration; a plain function is explained by its docstring's first line."""
    entry = getattr(draw, "registration", None)
    if isinstance(entry, Registration):
        return entry
    title = name.replace("_", " ")
    line = (draw.__doc__ or "").strip().partition("\n")[0] or title
    return Registration(lambda _: Caption(f"{title[:1].upper()}{title[1:]}", line, line))
