"""What each dataset will probably score, and what it scored where that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from howfar.figures.sets import first, head_numbers, looks, nothing
from howfar.figures.style import INK, MUTED, PAPER, WIDTH, Look, blank, drawing, head, name_rows, name_text
from howfar.results import Relation, SetEstimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Estimated mean performance"
FEW = 12


def estimates(relation: Relation, *, limit: int = 30) -> Figure:
    """Predicted mean performance of each dataset with its conformal interval, and the measured mean where it is known.

    Left: one row a dataset; dots and bars are estimates made without the dataset's own labels, diamonds what was measured.
    Right: estimate against measured value of the labelled datasets; on the diagonal they are equal. Left out where fewer
    than two are labelled.

    Parameters
    ----------
    relation
        The result.
    limit
        Datasets shown at most: the first of the run.

    Returns
    -------
    Figure
        Rows in the run's order, with estimate, interval and level at their right.

    Raises
    ------
    InputError
        `limit` is below 1.
    """
    shown, left_out = first(relation.estimates, limit)
    if not shown:
        return nothing(TITLE, "no estimates: they take at least two datasets with performances")
    look_of = looks(relation)
    measured = [one for one in shown if one.measured is not None]
    with drawing():
        figure = blank(WIDTH, max(1.5 + 0.36 * len(shown), 4.4 if len(measured) > 1 else 0))
        if len(measured) > 1:
            rows, plane = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
            _plane(plane, measured, look_of)
        else:
            rows = figure.add_subplot()
        for position, one in enumerate(shown):
            _row(rows, one, position, look_of[one.dataset])
            _number(rows, one, position, relation.estimator)
        _frame(rows, shown)
        _legend(figure, bool(measured))
        usual = name_text(relation.estimator or shown[0].estimator)
        head(figure, f"{TITLE}, by “{usual}”: {name_text(relation.metric, 40)}", left_out)
    return figure


def _row(axes: Axes, one: SetEstimate, position: int, look: Look) -> None:
    label = f"ci:{one.dataset}"
    axes.plot([one.low, one.high], [position] * 2, color=look.colour, lw=3, alpha=0.55, solid_capstyle="butt", label=label)
    style: dict[str, Any] = {"ls": "none", "mew": 1}
    axes.plot([one.predicted], [position], marker=look.marker, ms=7, color=look.colour, mec=PAPER, label=one.dataset, **style)
    if one.measured is not None:
        label = f"measured:{one.dataset}"
        axes.plot([one.measured], [position], marker="d", ms=7, mfc="none", mec=INK, zorder=2.6, label=label, **style)


def _number(axes: Axes, one: SetEstimate, position: int, usual: str | None) -> None:
    """Estimate, interval and level at the row's right; the estimator where it is another than for the other datasets."""
    other = "" if one.estimator == usual else f"\nby {name_text(one.estimator)}"
    text = f"{one.predicted:.2f} [{one.low:.2f}, {one.high:.2f}]  {100 * one.level:.0f} %{other}"
    axes.text(1.02, position, text, transform=axes.get_yaxis_transform(), va="center", ha="left", fontsize=8.5, color=INK)


def _frame(axes: Axes, shown: list[SetEstimate]) -> None:
    name_rows(axes, [name_text(one.dataset, 22) for one in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("mean performance")
    axes.set_title(" ")
    head_numbers(axes, "estimate [interval]  level")


def _plane(axes: Axes, measured: list[SetEstimate], look_of: dict[str, Look]) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1.2, ls=(0, (4, 2)), label="_diagonal")
    for one in measured:
        look, at = look_of[one.dataset], float("nan") if one.measured is None else one.measured
        axes.plot([at, at], [one.low, one.high], color=look.colour, lw=2.2, alpha=0.55, solid_capstyle="butt", label="_ci")
        axes.plot([at], [one.predicted], marker=look.marker, ms=7, color=look.colour, mec=PAPER, mew=1, ls="none", label="_at")
    axes.set_aspect("equal", adjustable="box", anchor="NE")
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.grid(True, axis="both")
    axes.set_xlabel("measured")
    axes.set_ylabel("estimated")


def _legend(figure: Figure, measured: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=MUTED, marker="o", ms=7, mec=PAPER, lw=3, label="estimated without the dataset's labels"),
    ]
    if measured:
        handles.append(Line2D([], [], marker="d", ms=7, mfc="none", mec=INK, ls="none", label="measured"))
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
