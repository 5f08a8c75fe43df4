"""Draw performance by distance, in curves and in near and far parts (figs. 4-6, tables 3-5), and F by threshold."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from howfar.arrays import Float64Array
from howfar.figures import Caption, style
from howfar.figures.style import report_figure
from howfar.formatting_and_escaping import signed
from howfar.metrics import THRESHOLDS, Counts, f, precision_recall
from howfar.relation.performance_by_distance import moving_average
from howfar.results import DatasetRelation, DistancePart, Evaluation, Interval, Relation

COLUMNS = 3
FEW, FEWEST = 60, 10
"""Images up to which they are drawn above the line, and over which the line averages at least."""
TITLE, PARTS_TITLE, THRESHOLDS_TITLE = "Performance by distance", "Near and far parts", "Performance by threshold"
NO_COUNTS = "no counts by threshold: the task has none, or no mask has foreground"
COUNTS = ("predicted", "hits_predicted", "hits_true")
OFFSET = 0.17
VERDICTS = {
    "falls": "falls with distance",
    "rises": "rises with distance",
    "consistent": "consistent",
    "none": "no evidence either way",
}


def _caption(relation: Relation) -> Caption:
    values = []
    for dataset in relation.datasets:
        slope = slope_text(None if dataset.trend is None else dataset.trend.slope, ", slope {}{}", " (from {} to {})")
        values.append(f"{dataset.name} {VERDICTS[dataset.verdict.kind]}{slope}")
    crosses = ", crosses those listed as probable failures" if relation.images["listed"].any() else ""
    return Caption(
        TITLE,
        "One panel a dataset, its distances scaled from 0 (its nearest image) to 1 (its farthest). Faint marks are "
        f"images{crosses}; the line is the centred moving average over a tenth of them, but at least ten; the thin level is "
        f"their mean, the dashed one τ = {relation.settings.tau:g}.",
        f"Panels of points with a curve each. {'; '.join(values)}.",
    )


def is_scored(relation: Relation) -> bool:
    """Return whether any image of a relation has a performance."""
    return any(dataset.scored for dataset in relation.datasets)


@report_figure(_caption, shows=is_scored, phone=True)
def performance(relation: Relation, *, limit: int = 24) -> Figure:
    """Draw each image's performance against scaled I^dist with the moving average, a panel per labelled dataset.

    After figs. 4-6 of Achara & Pandey. Crosses are listed as probable failures; the line is the moving average over a tenth of
    the images, the thin level their mean, the dashed one τ, below which an image counts as failed. Distance is scaled to 0-1 in
    each dataset, so panels compare shapes, not distances.
    """
    shown, left_out = style.first(relation.datasets, limit)
    if not shown:
        return style.nothing(TITLE, "no dataset of this run has performances")
    look_of = style.looks(relation)
    columns = 2 if len(shown) == 4 else min(COLUMNS, len(shown))
    height = 2.35 if columns > 1 else 3.2
    figure, panels, columns = style.panel_grid(len(shown), columns, lambda lines: 1.25 + height * lines, narrow=5.2)
    for axes, dataset in zip(panels, shown, strict=False):
        _panel(axes, dataset, relation, look_of[dataset.name])
    style.unit_panels(panels, columns, f"scaled {style.I_DIST}")
    figure.supylabel(style.name_text(relation.metric, 40), fontsize=9.5, parse_math=False)
    grey: dict[str, Any] = {"color": style.MUTED}
    handles = [
        Line2D([], [], marker="o", ls="none", ms=4, alpha=0.6, mew=0, **grey, label="an image"),
        Line2D([], [], marker="x", ls="none", ms=5, **grey, label="listed as probable failure"),
        Line2D([], [], lw=2.1, **grey, label="centred moving average"),
        Line2D([], [], lw=0.9, color=style.INK, label="mean"),
        Line2D([], [], lw=1.2, ls=(0, (4, 2)), **grey, label=f"τ = {relation.settings.tau:g}"),
    ]
    if not relation.images["listed"].any():
        del handles[1]
    style.name_legend(figure, handles, len(handles), columnspacing=1.4)
    return style.head(figure, f"{TITLE} from {style.name_text(relation.primary)}", left_out)


def smoothed(curves: pd.DataFrame) -> pd.Series:
    """Smooth the performance of each dataset over a tenth of its images, at least ten; NaN for a dataset of fewer than 20."""
    averages = [pd.Series(dtype="float64")]
    for _, own in curves.dropna(subset=["performance", "distance"]).groupby("dataset", sort=False):
        if len(own) >= 2 * FEWEST:
            values = moving_average(own["performance"], max(FEWEST, len(own) // 10))
            averages.append(pd.Series(values, index=own.index))
    every: pd.Series = pd.concat(averages).reindex(curves.index)
    return every


def _panel(axes: Axes, dataset: DatasetRelation, relation: Relation, look: style.Look) -> None:
    curve = relation.curves[relation.curves["dataset"] == dataset.name].dropna(subset=["performance", "distance"])
    curve = curve.assign(smoothed=smoothed(curve))
    images = relation.images
    listed = set(map(str, images.loc[(images["dataset"] == dataset.name) & images["listed"].astype(bool), "image"]))
    x, y = np.asarray(curve["distance"], np.float64), np.asarray(curve["performance"], np.float64)
    on = np.array([str(image) in listed for image in curve["image"]], dtype=bool)
    area = float(np.clip(2600 / max(len(x), 1), 5, 34))
    faint = float(np.clip(9 / max(len(x), 1) ** 0.5, 0.12, 0.6))
    # A point costs about a hundred bytes as vectors: the clouds alone are drawn as pixels. Few images are drawn above the
    # line, which would hide them; many below it, as they would hide the line.
    order = 2.7 if len(x) <= FEW else 2.2
    cloud: dict[str, Any] = {"color": look.colour, "rasterized": True, "clip_on": False, "zorder": order}
    axes.scatter(x[~on], y[~on], s=area, marker=look.marker, alpha=faint, lw=0, label="images", **cloud)
    axes.scatter(x[on], y[on], s=max(area, 12), marker="x", alpha=0.85, lw=1, label="listed", **cloud)
    if len(curve):
        effects = [withStroke(linewidth=4, foreground=style.PAPER)]
        line: dict[str, Any] = {"color": look.colour, "lw": 2.1, "path_effects": effects, "zorder": 2.6}
        axes.plot(x, curve["smoothed"], label="smoothed", solid_joinstyle="round", **line)
    else:
        axes.text(0.5, 0.25, "no image has a performance", transform=axes.transAxes, ha="center", fontsize=8, color=style.MUTED)
    if dataset.mean is not None:
        axes.axhline(dataset.mean, color=style.INK, lw=0.9, alpha=0.8, zorder=2.4, label=f"mean:{dataset.name}")
    axes.axhline(relation.settings.tau, color=style.MUTED, lw=1.2, ls=(0, (4, 2)), zorder=2.3, label="_tau")
    slope = None if dataset.trend is None else dataset.trend.slope
    style.head_panel(axes, dataset.name, VERDICTS[dataset.verdict.kind], f"{slope_text(slope)}n = {dataset.scored:,}")


def slope_text(slope: Interval | None, form: str = "slope {}{} · ", ends: str = " [{}, {}]") -> str:
    """Format a slope with its interval, by default as the start of a line; return "" if undefined."""
    if slope is None or slope.value is None:
        return ""
    interval = "" if slope.low is None or slope.high is None else ends.format(signed(slope.low), signed(slope.high))
    return form.format(signed(slope.value), interval)


def _parts_caption(relation: Relation) -> Caption:
    values = [f"{row.name} {_ends(row.halves)} by halves, {_ends(row.thirds)} by thirds" for row in relation.datasets]
    # Of a task without thresholds a part's performance is the mean of its images.
    cuts = [part for row in relation.datasets for part in (*row.halves, *row.thirds)]
    tuned = any(part.threshold is not None for part in cuts)
    pooled = ", of the counts summed over the part" if tuned else ""
    marks = (
        " Filled: at the threshold that all images share; hollow, as in the paper: re-tuned in the part, which looks at its "
        "labels and so flatters every part."
    )
    at = " at the common threshold" if tuned else ""
    return Caption(
        PARTS_TITLE,
        f"Performance of each dataset's halves and thirds by distance{pooled}; arrows point from the nearest part to the "
        f"farthest.{marks if tuned else ''}",
        f"Arrows along one axis, nearest to farthest part{at}: {'; '.join(values)}.",
    )


def _ends(cut: Sequence[DistancePart]) -> str:
    near, far = (cut[0].performance_common, cut[-1].performance_common) if cut else (None, None)
    return "undefined" if near is None or far is None else f"{near:.2f} to {far:.2f}"


@report_figure(
    _parts_caption,
    shows=lambda relation: any(part.n for row in relation.datasets for part in (*row.halves, *row.thirds)),
    phone=True,
)
def parts(relation: Relation, *, limit: int = 24) -> Figure:
    """Draw the performance of each dataset's halves and thirds, joined from nearest to farthest (tables 3-5).

    Filled: at the threshold that all images share; hollow, as in the paper: at the threshold that is best for the part, which
    looks at its labels. For a task without thresholds the two are one. An arrow head marks the farthest part and points the way
    that performance goes; the numbers are at the common threshold. At most `limit` datasets are shown, the first.
    """
    shown, left_out = style.first(relation.datasets, limit)
    look_of = style.looks(relation)
    cuts = [part for row in shown for part in (*row.halves, *row.thirds)]
    two = any(part.performance is not None and part.performance != part.performance_common for part in cuts)
    if not cuts:
        return style.nothing(PARTS_TITLE, "no dataset shown has performances in its parts")
    figure, panels = style.side_by_side(1.55 + 0.44 * len(shown), 1, 1, rows=len(shown))
    for axes, name in zip(panels, ("Halves", "Thirds"), strict=True):
        for position, row in enumerate(shown):
            cut, look = getattr(row, name.lower()), look_of[row.name]
            common = [part.performance_common for part in cut if part.performance_common is not None]
            _chain(axes, common, position - (OFFSET if two else 0), look, filled=True)
            if two:
                retuned = [part.performance for part in cut if part.performance is not None]
                _chain(axes, retuned, position + OFFSET, look, filled=False)
            text = f"{common[0]:.2f} → {common[-1]:.2f}" if len(common) > 1 else "–"
            style.row_number(axes, position - style.on_phone(OFFSET, 0), text)
        axes.set(title=name, xlabel="performance of the part")
        style.head_numbers(axes, "near → far")
    drawn = [np.asarray(line.get_xdata(), np.float64) for axes in panels for line in axes.get_lines()]
    low, high = float(np.concatenate(drawn).min()), float(np.concatenate(drawn).max())
    edge = 0.06 * (high - low) + 0.02
    for axes in panels:
        named = style.on_phone(True, axes is panels[0])
        axes.set_xlim(low - edge, high + edge)
        axes.locator_params(axis="x", nbins=6)
        for line in range(1, len(shown)):
            axes.axhline(line - style.on_phone(0.72, 0.5), color=style.MUTED, lw=0.4, alpha=0.35)
        axes.set_ylim(len(shown) - 0.5, -0.5 - style.on_phone(0.3, 0.0))
        style.name_rows(axes, [style.name_text(row.name) if named else "" for row in shown], OFFSET)
    grey: dict[str, Any] = {"color": style.MUTED, "marker": "o", "ms": 5.5}
    handles = [
        Line2D([], [], ls="none", **grey, label="nearest part"),
        Line2D([], [], ls="none", **grey | {"marker": ">", "ms": 6.5}, label="farthest part"),
        Line2D([], [], lw=1.5, **grey, label="at the common threshold"),
        Line2D([], [], lw=1.0, mfc=style.PAPER, **grey, label="re-tuned in the part"),
    ]
    style.name_legend(figure, handles if two else handles[:2], 4)
    return style.head(figure, f"{PARTS_TITLE} by distance from {style.name_text(relation.primary)}", left_out)


def _chain(axes: Axes, values: Sequence[float], height: float, look: style.Look, filled: bool) -> None:
    """Join dots by increasing distance; with several dots, the last one is an arrow head."""
    if not values:
        return
    kind, face = ("common", look.colour) if filled else ("retuned", style.PAPER)
    dots: dict[str, Any] = {"ls": "none", "mec": look.colour, "mew": 1.1, "mfc": face, "zorder": 2.5}
    axes.plot(values, [height] * len(values), color=look.colour, lw=1.5 if filled else 1.0, zorder=2.1, label=f"{kind}:line")
    earlier = values[:-1] if len(values) > 1 else values
    for position, value in enumerate(earlier):
        axes.plot([value], [height], marker="o", ms=5.5 if position == 0 else 3.2, label=f"{kind}:{position}", **dots)
    if len(values) > 1:
        head_of = ">" if values[-1] >= values[-2] else "<"
        axes.plot([values[-1]], [height], marker=head_of, ms=6.5, label=f"{kind}:far", **dots)


class Curves(NamedTuple):
    """Hold precision, recall and F of summed counts at thresholds, each (100,); nan if undefined."""

    threshold: Float64Array
    precision: Float64Array
    recall: Float64Array
    f: Float64Array


@style.drawing()
def thresholds(evaluation: Evaluation) -> Figure:
    """Draw F, precision and recall of the summed counts at every threshold, and precision against recall.

    The dot is the ODS: the highest F that one threshold reaches over the whole dataset. The dashed upright is the threshold
    that per-image values are taken at, where it is another. Grey curves join points of one F.
    """
    curves = pooled(evaluation)
    title = f"{THRESHOLDS_TITLE}: {style.name_text(evaluation.dataset)}"
    if curves is None:
        return style.nothing(title, NO_COUNTS)
    figure, (by_threshold, plane) = style.side_by_side(4.5, 1.15, 1.0)
    for values, name, colour, dash in (
        (curves.precision, "precision", style.COLOURS[5], (0, (5, 2))),
        (curves.recall, "recall", style.COLOURS[2], (0, (1.5, 1.5))),
        (curves.f, "F", style.COLOURS[0], "-"),
    ):
        by_threshold.plot(THRESHOLDS, values, color=colour, ls=dash, lw=2.2 if name == "F" else 1.6, label=name)
    plane.plot(curves.recall, curves.precision, color=style.COLOURS[0], lw=2.0, label="_curve")
    best = int(np.nanargmax(curves.f))
    ods = f"ODS {curves.f[best]:.3f} at {THRESHOLDS[best]:.2f}"
    _best(by_threshold, plane, curves, style.Look(style.COLOURS[0], "-", "o"), ods)
    if evaluation.threshold is not None and round(100 * evaluation.threshold) != best:
        _upright(by_threshold, evaluation.threshold, "per image")
    _frame_planes(by_threshold, plane)
    by_threshold.set_ylabel("precision, recall, F")
    style.name_legend(figure, by_threshold, 5, handlelength=3)
    tolerance = f"; tolerance {evaluation.tolerance:g} px" if evaluation.tolerance else ""
    return style.head(figure, f"{title}, {evaluation.n:,} images{tolerance}")


def _thresholds_caption(relation: Relation) -> Caption:
    known = [(row.name, row.ods, row.ods_threshold) for row in relation.datasets if None not in (row.ods, row.ods_threshold)]
    values = [f"{name} {ods:.3f} at {threshold:.2f}" for name, ods, threshold in known]
    line = "" if relation.settings.threshold is None else " The dashed line is the threshold that all images share."
    return Caption(
        THRESHOLDS_TITLE,
        "Left, F of each dataset's summed counts at every threshold; dots mark its best (ODS), which looks at its labels."
        f"{line} Right, precision against recall; along a grey curve F is the same.",
        f"Two panels of curves, one for each dataset. Best F: {'; '.join(values)}.",
    )


@report_figure(_thresholds_caption, shows=lambda relation: relation.thresholds["f"].notna().any(), phone=True)
def relation_thresholds(relation: Relation, *, limit: int = 12) -> Figure:
    """Draw each labelled dataset's F by threshold, and precision against recall, from counts summed over images.

    Dots are each dataset's ODS, which looks at its labels; the dashed line is the threshold that all images share. The height
    of a dot above its curve's crossing of that line is the gain from choosing the threshold on the dataset's own labels.
    """
    by_name = {name: rows for name, rows in relation.thresholds.groupby("dataset", sort=False) if rows["f"].notna().any()}
    shown, left_out = style.first([row.name for row in relation.datasets if row.name in by_name], limit)
    if not shown:
        return style.nothing(THRESHOLDS_TITLE, NO_COUNTS)
    look_of = style.looks(relation)
    figure, (by_threshold, plane) = style.side_by_side(4.4 + 0.22 * -(-(len(shown) + 1) // 3), 1.15, 1.0)
    for name in shown:
        rows, look = by_name[name].sort_values("threshold"), look_of[name]
        curves = Curves(*(np.asarray(rows[column], dtype=np.float64) for column in Curves._fields))
        keywords: dict[str, Any] = {"color": look.colour, "ls": look.dash, "lw": 1.7, "label": style.name_text(name)}
        by_threshold.plot(curves.threshold, curves.f, **keywords)
        plane.plot(curves.recall, curves.precision, **keywords)
        _best(by_threshold, plane, curves, look)
    if relation.settings.threshold is not None:
        _upright(by_threshold, relation.settings.threshold, "common threshold")
    _frame_planes(by_threshold, plane)
    by_threshold.set_ylabel("F of the dataset's summed counts")
    style.name_legend(figure, by_threshold, handlelength=3)
    return style.head(figure, f"{THRESHOLDS_TITLE}, one curve a dataset; dots: best for the dataset (ODS)", left_out)


def pooled(evaluation: Evaluation) -> Curves | None:
    """Compute precision, recall and F of the counts summed over the images; None without counts or true pixels."""
    images = evaluation.images
    if not {*COUNTS, "true"} <= set(images.columns) or not len(images) or not images["true"].sum():
        return None
    true = images["true"].to_numpy(dtype=np.int64)
    predicted, hits_predicted, hits_true = (np.stack(images[name].to_list()) for name in COUNTS)
    # How many pixels an image has plays no part in these ratios, so that zeros stand for it.
    counts = Counts(predicted, hits_predicted, hits_true, true, np.zeros_like(true))
    return Curves(THRESHOLDS, *precision_recall(counts), f(counts))


def _best(by_threshold: Axes, plane: Axes, curves: Curves, look: style.Look, label: str = "_ods") -> None:
    """Mark the threshold of the highest F in both panels."""
    at, precision, recall, score = (values[int(np.nanargmax(curves.f))] for values in curves)
    keywords: dict[str, Any] = {"ls": "none", "ms": 7, "mec": style.PAPER, "mew": 1, "zorder": 2.7, "clip_on": False}
    by_threshold.plot([at], [score], marker=look.marker, color=look.colour, label=label, **keywords)
    plane.plot([recall], [precision], marker=look.marker, color=look.colour, label="_ods", **keywords)


def _upright(axes: Axes, threshold: float, name: str) -> None:
    axes.axvline(threshold, color=style.MUTED, lw=1.3, ls=(0, (4, 2)), label=f"{name}: {threshold:.2f}")


def _frame_planes(by_threshold: Axes, plane: Axes) -> None:
    """Set both panels to 0-1, and draw curves of equal F behind the precision-recall data."""
    faint: dict[str, Any] = {"color": style.MUTED, "lw": 0.7, "alpha": 0.45, "zorder": 1.5}
    for level in (0.2, 0.4, 0.6, 0.8):
        at = level / (2 - level)
        recall = np.linspace(at, 1.0, 200)
        plane.plot(recall, level * recall / (2 * recall - level), label="_level", **faint)
        place: dict[str, Any] = {"xycoords": plane.get_xaxis_transform(), "textcoords": "offset points"}
        plane.annotate(f"F {level:g}", (at, 1.0), (0, 3), **place).set(fontsize=7.5, color=style.MUTED, ha="center")
    for axes in (by_threshold, plane):
        style.unit_plane(axes)
    by_threshold.set_xlabel("threshold on the predicted probability")
    plane.set(xlabel="recall", ylabel="precision")
    plane.tick_params(labelcolor=style.INK)
