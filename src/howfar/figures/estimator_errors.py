"""Draw the errors of performance estimators on datasets left out, and the coverage of their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from howfar.figures.frame import name_legend, nothing
from howfar.figures.registration import Caption, registered
from howfar.figures.style import COLOURS, INK, MUTED, PAPER, PRIMARY, WIDTH, blank, drawing, head, name_rows, name_text
from howfar.numbers import percentage_of
from howfar.results import Judgement, Relation

TITLE = "Estimators of performance, each judged on datasets left out"
MEAN = "mean"


class Kind(NamedTuple):
    """Hold the colour, marker and plain name of a kind of estimator."""

    colour: str
    marker: str
    name: str


KINDS = {
    "baseline": Kind(PRIMARY, "D", "predicting the mean"),
    "distance": Kind(COLOURS[1], "o", "distance"),
    "confidence": Kind(COLOURS[0], "s", "confidence"),
    "agreement": Kind(COLOURS[2], "^", "agreement"),
    "combined": Kind(COLOURS[3], "v", "combined"),
}
OTHER = Kind(COLOURS[4], "P", "other")


def _caption(relation: Relation) -> Caption:
    values = [f"{row.estimator} {row.mae_image:.3f} and {row.mae_set:.3f}" for row in relation.judgements]
    return Caption(
        "Estimators judged on datasets left out",
        "Mean absolute error of an image's performance (filled) and of a dataset's mean (hollow). Vertical lines: predicting "
        "the mean of the other datasets; right of its line an estimator is worse than looking at no image at all. Right panel: "
        f"how many image intervals held, of which {percentage_of(relation.settings.level)} should.",
        f"Dots, one row an estimator. Errors of an image and of a dataset's mean: {'; '.join(values)}.",
    )


@registered(_caption, shows=lambda relation: bool(relation.judgements))
def judgements(relation: Relation) -> Figure:
    """Draw the mean absolute error of every estimator, image by image (filled) and in a set's mean (hollow), and its coverage.

    Each labelled dataset is estimated from the others. The vertical lines are the errors of predicting the mean of the
    other datasets for everything: right of its line an estimator is worse than looking at no image at all. Right: the
    share of images whose performance lies within the estimator's intervals, against the level that the intervals claim.
    The estimator in use is named in bold. One row an estimator, in the order of ``relation.judgements``.
    """
    shown = relation.judgements
    if not shown:
        return nothing(TITLE, "no estimator could be judged: that takes at least two datasets with performances")
    with drawing():
        figure = blank(WIDTH, 1.75 + 0.31 * len(shown))
        errors, cover = figure.subplots(1, 2, sharey=True, width_ratios=(2.3, 1.0))
        for position, judgement in enumerate(shown):
            _errors(errors, judgement, position)
            _coverage(cover, judgement, position)
        _mean_lines(errors, shown)
        cover.axvline(relation.settings.level, color=MUTED, lw=1.3, ls=(0, (4, 2)), label="_level")
        _frame(errors, cover, relation)
        _legend(figure, shown)
        sets = f"{shown[0].sets} datasets, {shown[0].images:,} images"
        head(figure, TITLE, f"{name_text(relation.metric, 40)}; {sets}")
    return figure


def _errors(axes: Axes, judgement: Judgement, position: int) -> None:
    kind = KINDS.get(judgement.kind, OTHER)
    style: dict[str, Any] = {"marker": kind.marker, "ls": "none", "mec": kind.colour, "mew": 1.3, "zorder": 2.5}
    axes.plot([judgement.mae_image, judgement.mae_set], [position] * 2, color=kind.colour, lw=1, alpha=0.6, label="_join")
    axes.plot([judgement.mae_set], [position], ms=6.5, mfc=PAPER, label=f"set:{judgement.estimator}", **style)
    axes.plot([judgement.mae_image], [position], ms=6.5, mfc=kind.colour, label=f"image:{judgement.estimator}", **style)


def _coverage(axes: Axes, judgement: Judgement, position: int) -> None:
    if judgement.coverage is None:
        return
    kind = KINDS.get(judgement.kind, OTHER)
    style: dict[str, Any] = {"marker": kind.marker, "ms": 6.5, "ls": "none", "color": kind.colour}
    axes.plot([judgement.coverage], [position], label=judgement.estimator, **style)


def _mean_lines(axes: Axes, shown: Sequence[Judgement]) -> None:
    for judgement in shown:
        if judgement.estimator == MEAN:
            axes.axvline(judgement.mae_image, color=MUTED, lw=1.3, ls=(0, (4, 2)), label="_mean_image")
            axes.axvline(judgement.mae_set, color=MUTED, lw=1.3, ls=(0, (1.2, 1.6)), label="_mean_set")


def _frame(errors: Axes, cover: Axes, relation: Relation) -> None:
    shown = relation.judgements
    name_rows(errors, [name_text(judgement.estimator) for judgement in shown])
    for label, judgement in zip(errors.get_yticklabels(), shown, strict=True):
        label.set_fontweight("bold" if judgement.estimator == relation.estimator else "normal")
    errors.set_ylim(len(shown) - 0.5, -0.5)
    errors.set_xlim(0, 1.08 * max(0.01, *(max(judgement.mae_image, judgement.mae_set) for judgement in shown)))
    errors.set_xlabel("mean absolute error")
    cover.tick_params(axis="y", length=0)
    lowest = min([relation.settings.level, *(judgement.coverage for judgement in shown if judgement.coverage is not None)])
    cover.set_xlim(max(0.0, lowest - 0.08), 1.02)
    cover.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    cover.locator_params(axis="x", nbins=4)
    cover.set_xlabel(f"coverage (claimed: {100 * relation.settings.level:.0f} %)")


def _legend(figure: Figure, shown: Sequence[Judgement]) -> None:
    seen = [kind for name, kind in {**KINDS, "other": OTHER}.items() if any(_name(judgement) == name for judgement in shown)]
    handles = [Line2D([], [], marker=kind.marker, color=kind.colour, ms=6.5, ls="none", label=kind.name) for kind in seen]
    both: dict[str, Any] = {"marker": "o", "ls": "none", "ms": 6.5, "mec": INK}
    handles += [
        Line2D([], [], mfc=INK, **both, label="of an image"),
        Line2D([], [], mfc=PAPER, **both, label="of a set's mean"),
        Line2D([], [], color=MUTED, lw=1.3, ls=(0, (4, 2)), label="the mean's, of an image"),
        Line2D([], [], color=MUTED, lw=1.3, ls=(0, (1.2, 1.6)), label="the mean's, of a set's mean"),
    ]
    name_legend(figure, handles, 5, columnspacing=1.4)


def _name(judgement: Judgement) -> str:
    return judgement.kind if judgement.kind in KINDS else "other"
