"""Draw F, precision and recall by threshold, for predictions on one dataset or all labelled datasets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures import Caption, registered
from howfar.figures.style import (
    COLOURS,
    INK,
    MUTED,
    PAPER,
    Look,
    drawing,
    first,
    head,
    looks,
    name_legend,
    name_text,
    nothing,
    side_by_side,
)
from howfar.metrics import THRESHOLDS, Counts, f, precision_recall
from howfar.results import DatasetRelation, Evaluation, Relation

COUNTS = ("predicted", "hits_predicted", "hits_true")
TITLE = "Performance by threshold"
NO_COUNTS = "no counts by threshold: the task has none, or no mask has foreground"
LEVELS = (0.2, 0.4, 0.6, 0.8)


class Curves(NamedTuple):
    """Hold precision, recall and F of summed counts at the 100 thresholds, each (100,); nan if undefined."""

    precision: Float64Array
    recall: Float64Array
    f: Float64Array


def thresholds(evaluation: Evaluation) -> Figure:
    """Draw F, precision and recall of the summed counts at every threshold, and precision against recall.

    The dot is the ODS: the highest F that one threshold reaches over the whole dataset. The dashed upright is the threshold
    that per-image values are taken at, where it is another. Grey curves join points of one F.
    """
    curves = pooled(evaluation)
    title = f"{TITLE}: {name_text(evaluation.dataset)}"
    if curves is None:
        return nothing(title, NO_COUNTS)
    with drawing():
        figure, (by_threshold, plane) = side_by_side(4.5, 1.15, 1.0)
        for values, name, colour, dash in (
            (curves.precision, "precision", COLOURS[5], (0, (5, 2))),
            (curves.recall, "recall", COLOURS[2], (0, (1.5, 1.5))),
            (curves.f, "F", COLOURS[0], "-"),
        ):
            by_threshold.plot(THRESHOLDS, values, color=colour, ls=dash, lw=2.2 if name == "F" else 1.6, label=name)
        plane.plot(curves.recall, curves.precision, color=COLOURS[0], lw=2.0, label="_curve")
        best = int(np.nanargmax(curves.f))
        label = f"ODS {curves.f[best]:.3f} at {THRESHOLDS[best]:.2f}"
        _dot(by_threshold, THRESHOLDS[best], curves.f[best], COLOURS[0], label)
        _dot(plane, curves.recall[best], curves.precision[best], COLOURS[0], "_ods")
        if evaluation.threshold is not None and round(100 * evaluation.threshold) != best:
            _upright(by_threshold, evaluation.threshold, f"per image: {evaluation.threshold:.2f}")
        _frame(by_threshold, plane)
        by_threshold.set_ylabel("precision, recall, F")
        name_legend(figure, by_threshold, 5, handlelength=3)
        tolerance = f"; tolerance {evaluation.tolerance:g} px" if evaluation.tolerance else ""
        head(figure, f"{title}, {evaluation.n:,} images{tolerance}")
    return figure


def _caption(relation: Relation) -> Caption:
    values = [
        f"{row.name} {row.ods:.3f} at {row.ods_threshold:.2f}"
        for row in relation.datasets
        if row.ods is not None and row.ods_threshold is not None
    ]
    line = "" if relation.settings.threshold is None else " The dashed line is the threshold that all images share."
    return Caption(
        TITLE,
        "Left, F of each dataset's summed counts at every threshold; dots mark its best (ODS), which looks at its labels."
        f"{line} Right, precision against recall; along a grey curve F is the same.",
        f"Two panels of curves, one for each dataset. Best F: {'; '.join(values)}.",
    )


@registered(_caption, shows=lambda relation: relation.thresholds["f"].notna().any(), phone=True)
def relation_thresholds(relation: Relation, *, limit: int = 12) -> Figure:
    """Draw each labelled dataset's F by threshold, and precision against recall, from counts summed over images.

    Dots are each dataset's ODS, which looks at its labels; the dashed line is the threshold that all images share. The height
    of a dot above its curve's crossing of that line is the gain from choosing the threshold on the dataset's own labels.
    """
    counted = set(relation.thresholds.loc[relation.thresholds["f"].notna(), "dataset"])
    shown, left_out = first([row for row in relation.datasets if row.name in counted], limit)
    if not shown:
        return nothing(TITLE, NO_COUNTS)
    look_of = looks(relation)
    with drawing():
        figure, (by_threshold, plane) = side_by_side(4.4 + 0.22 * -(-(len(shown) + 1) // 3), 1.15, 1.0)
        for row in shown:
            _dataset(by_threshold, plane, row, relation, look_of[row.name])
        if relation.settings.threshold is not None:
            _upright(by_threshold, relation.settings.threshold, f"common threshold: {relation.settings.threshold:.2f}")
        _frame(by_threshold, plane)
        by_threshold.set_ylabel("F of the dataset's summed counts")
        name_legend(figure, by_threshold, handlelength=3)
        head(figure, f"{TITLE}, one curve a dataset; dots: best for the dataset (ODS)", left_out)
    return figure


def pooled(evaluation: Evaluation) -> Curves | None:
    """Compute precision, recall and F of the counts summed over the images; None without counts or true pixels."""
    images = evaluation.images
    if not {*COUNTS, "true"} <= set(images.columns) or not len(images) or not images["true"].sum():
        return None
    true = images["true"].to_numpy(dtype=np.int64)
    predicted, hits_predicted, hits_true = (np.stack(images[name].to_list()) for name in COUNTS)
    # How many pixels an image has plays no part in these ratios, so that zeros stand for it.
    counts = Counts(predicted, hits_predicted, hits_true, true, np.zeros_like(true))
    return Curves(*precision_recall(counts), f(counts))


def _dataset(by_threshold: Axes, plane: Axes, dataset: DatasetRelation, relation: Relation, look: Look) -> None:
    rows = relation.thresholds[relation.thresholds["dataset"] == dataset.name].sort_values("threshold")
    names = ("threshold", "precision", "recall", "f")
    at, precision, recall, values = (np.asarray(rows[name], dtype=np.float64) for name in names)
    style: dict[str, Any] = {"color": look.colour, "ls": look.dash, "lw": 1.7}
    by_threshold.plot(at, values, label=name_text(dataset.name), **style)
    plane.plot(recall, precision, label=name_text(dataset.name), **style)
    best = int(np.nanargmax(values))
    _dot(by_threshold, at[best], values[best], look.colour, "_ods", look.marker)
    _dot(plane, recall[best], precision[best], look.colour, "_ods", look.marker)


def _dot(axes: Axes, x: float, y: float, colour: str, label: str, marker: str = "o") -> None:
    style: dict[str, Any] = {"ls": "none", "ms": 7, "mec": PAPER, "mew": 1, "zorder": 2.7, "clip_on": False}
    axes.plot([x], [y], marker=marker, color=colour, label=label, **style)


def _upright(axes: Axes, threshold: float, label: str) -> None:
    axes.axvline(threshold, color=MUTED, lw=1.3, ls=(0, (4, 2)), label=label)


def _frame(by_threshold: Axes, plane: Axes) -> None:
    """Set both panels to 0-1, and draw curves of equal F behind the precision-recall data."""
    for level in LEVELS:
        at = level / (2 - level)
        recall = np.linspace(at, 1.0, 200)
        plane.plot(recall, level * recall / (2 * recall - level), color=MUTED, lw=0.7, alpha=0.45, zorder=1.5, label="_level")
        above = plane.annotate(
            f"F {level:g}", (at, 1.0), (0, 3), xycoords=plane.get_xaxis_transform(), textcoords="offset points"
        )
        above.set(fontsize=7.5, color=MUTED, ha="center")
    for axes in (by_threshold, plane):
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(True, axis="both")
    by_threshold.set_xlabel("threshold on the predicted probability")
    plane.set_xlabel("recall")
    plane.set_ylabel("precision")
    plane.tick_params(labelcolor=INK)
