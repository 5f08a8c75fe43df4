"""Which datasets the figures of a Relation show, and the look that each has in every figure of its run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from howfar.errors import InputError
from howfar.figures.style import INK, MUTED, WIDTH, Look, blank, drawing, head, look, name_text, plain
from howfar.results import Relation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

One = TypeVar("One")


def looks(relation: Relation) -> dict[str, Look]:
    """The look of every dataset of the run, labelled or not: that of its place among the secondaries.

    Parameters
    ----------
    relation
        The result; its table of images holds the secondaries in the run's order.
    """
    return {str(name): look(place) for place, name in enumerate(dict.fromkeys(relation.images["dataset"]))}


def first(everything: Sequence[One], limit: int) -> tuple[list[One], str]:
    """The first `limit` datasets, and a note on how many a figure leaves out.

    Raises
    ------
    InputError
        `limit` is below 1.

    Examples
    --------
    >>> first(["roads", "bridges", "tunnels"], 2)
    (['roads', 'bridges'], 'The first 2 of 3 datasets are shown.')
    >>> first(["roads"], 2)
    (['roads'], '')
    """
    if limit < 1:
        raise InputError.of("limit", "must be at least 1", limit)
    left_out = len(everything) > limit
    return list(everything[:limit]), f"The first {limit} of {len(everything)} datasets are shown." if left_out else ""


def signed(value: float) -> str:
    """A change with its sign, to two decimals; what rounds to 0 has none.

    Examples
    --------
    >>> signed(0.123), signed(-0.5), signed(-0.001)
    ('+0.12', '−0.50', '0.00')
    """
    rounded = round(value, 2)
    return f"{rounded:+.2f}".replace("-", "−") if rounded else "0.00"


def nothing(title: str, reason: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    with drawing():
        figure = blank(WIDTH, 1.6)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=MUTED)
        head(figure, title)
    return figure


def name_legend(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """A legend of everything labelled in `axes`, below the figure; names are taken literally."""
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower left", ncols=columns, handlelength=3)
    for text in legend.get_texts():
        plain(text)


def head_numbers(axes: Axes, text: str) -> None:
    """A pale heading for the numbers that stand right of a panel's rows."""
    at = axes.annotate(text, (1.02, 1), (0, 7), xycoords="axes fraction", textcoords="offset points")
    at.set(fontsize=8.5, color=MUTED, in_layout=False)


def head_panel(axes: Axes, name: str, *lines: str, longest: int = 24) -> None:
    """A panel's title: the dataset's name, and smaller lines under it, the last one pale, that may run past the edge."""
    plain(axes.set_title(name_text(name, longest), color=INK, fontweight="bold", pad=5 + 12 * len(lines)))
    for place, line in enumerate(reversed(lines)):
        at = axes.annotate(line, (0, 1), (0, 4 + 12 * place), xycoords="axes fraction", textcoords="offset points")
        # Were the lines part of the layout, panels would shrink to make room for a long one.
        at.set(fontsize=8, color=INK if place else MUTED, in_layout=False)
        plain(at)
