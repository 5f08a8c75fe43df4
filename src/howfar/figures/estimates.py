"""Draw the estimated mean performance of each dataset with its interval, and the measured one where it is known."""

from __future__ import annotations

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from howfar.figures.datasets import first, looks
from howfar.figures.frame import head_numbers, name_legend, nothing, row_number
from howfar.figures.registration import Caption, registered
from howfar.figures.style import INK, MUTED, PAPER, WIDTH, Look, blank, drawing, head, name_rows, name_text
from howfar.results import Relation, SetEstimate

TITLE = "Estimated mean performance"
BAR: Final[dict[str, Any]] = {"alpha": 0.55, "solid_capstyle": "butt"}
DOT: Final[dict[str, Any]] = {"ms": 7, "mec": PAPER, "mew": 1, "ls": "none"}


def _caption(relation: Relation) -> Caption:
    values, labelled = [], sum(estimate.measured is not None for estimate in relation.estimates)
    for estimate in relation.estimates:
        measured = "not measured" if estimate.measured is None else f"measured {estimate.measured:.2f}"
        interval = f"from {estimate.low:.2f} to {estimate.high:.2f}"
        values.append(f"{estimate.dataset} {estimate.predicted:.2f} ({interval}), {measured}")
    plane = " Right: both against each other; on the diagonal they are equal." if labelled > 1 else ""
    diamonds = ", and the measured one as a diamond where it is known" if labelled else ""
    return Caption(
        TITLE,
        f"Each dataset's mean performance as estimated without its labels, with its interval{diamonds}; at the right "
        f"the numbers and the level of the interval.{plane}",
        f"Dots with intervals, one row a dataset: {'; '.join(values)}.",
    )


@registered(_caption, shows=lambda relation: bool(relation.estimates))
def estimates(relation: Relation, *, limit: int = 30) -> Figure:
    """Draw the predicted mean performance of each dataset with its interval, and the measured mean where it is known.

    Left: one row a dataset; dots and bars are estimates made without the dataset's own labels, diamonds what was measured.
    Right: estimate against measured value of the labelled datasets; on the diagonal they are equal. Left out where fewer than
    two are labelled. Rows in the run's order, with estimate, interval and level at their right. At most `limit` datasets are
    shown, the first.
    """
    shown, left_out = first(relation.estimates, limit)
    if not shown:
        return nothing(TITLE, "no estimates: they take at least two datasets with performances")
    look_of = looks(relation)
    measured = [estimate for estimate in shown if estimate.measured is not None]
    with drawing():
        figure = blank(WIDTH, max(1.5 + 0.36 * len(shown), 4.4 if len(measured) > 1 else 0))
        if len(measured) > 1:
            rows, plane = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
            _plane(plane, measured, look_of)
        else:
            rows = figure.add_subplot()
        for position, estimate in enumerate(shown):
            _row(rows, estimate, position, look_of[estimate.dataset])
            _number(rows, estimate, position, relation.estimator)
        _frame(rows, shown)
        _legend(figure, bool(measured))
        usual = name_text(relation.estimator or shown[0].estimator)
        head(figure, f"{TITLE}, by “{usual}”: {name_text(relation.metric, 40)}", left_out)
    return figure


def _row(axes: Axes, estimate: SetEstimate, position: int, look: Look) -> None:
    label = estimate.dataset
    axes.plot([estimate.low, estimate.high], [position] * 2, color=look.colour, lw=3, label=f"ci:{label}", **BAR)
    axes.plot([estimate.predicted], [position], marker=look.marker, color=look.colour, label=label, **DOT)
    if estimate.measured is not None:
        hollow = DOT | {"mec": INK, "mfc": "none", "zorder": 2.6}
        axes.plot([estimate.measured], [position], marker="d", label=f"measured:{label}", **hollow)


def _number(axes: Axes, estimate: SetEstimate, position: int, usual: str | None) -> None:
    """Write estimate, interval and level at the row's right; the estimator where it is another than for the other datasets."""
    other = "" if estimate.estimator == usual else f"\nby {name_text(estimate.estimator)}"
    text = f"{estimate.predicted:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]  {100 * estimate.level:.0f} %{other}"
    row_number(axes, position, text)


def _frame(axes: Axes, shown: list[SetEstimate]) -> None:
    name_rows(axes, [name_text(estimate.dataset, 22) for estimate in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("mean performance")
    axes.set_title(" ")
    head_numbers(axes, "estimate [interval]  level")


def _plane(axes: Axes, measured: list[SetEstimate], look_of: dict[str, Look]) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1.2, ls=(0, (4, 2)), label="_diagonal")
    for estimate in measured:
        look, at = look_of[estimate.dataset], float("nan") if estimate.measured is None else estimate.measured
        axes.plot([at, at], [estimate.low, estimate.high], color=look.colour, lw=2.2, label="_ci", **BAR)
        axes.plot([at], [estimate.predicted], marker=look.marker, color=look.colour, label="_at", **DOT)
    axes.set_aspect("equal", adjustable="box", anchor="NE")
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.grid(True, axis="both")
    axes.set_xlabel("measured")
    axes.set_ylabel("estimated")


def _legend(figure: Figure, measured: bool) -> None:
    handles = [Line2D([], [], color=MUTED, marker="o", ms=7, mec=PAPER, lw=3, label="estimated without the dataset's labels")]
    if measured:
        handles.append(Line2D([], [], marker="d", ms=7, mfc="none", mec=INK, ls="none", label="measured"))
    name_legend(figure, handles, 2)
