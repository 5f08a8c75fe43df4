"""Draw the distances of new datasets and their images from the primary dataset (figs. 3 and 10 of the paper)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures import Caption, registered, style
from howfar.figures.forest_plot import ForestRow, forest, frame_forest
from howfar.results import Comparison
from howfar.text_formatting import format_interval, format_number, times

UNDEFINED = "undefined: P's own images have no distance from each other"
SHAPES = ("s", "^", "D", "v", "P", "X")


def _relative_caption(comparison: Comparison) -> Caption:
    values = [
        f"{d.name} {'undefined' if d.relative is None else times(d.relative)}{_range(d.relative_ci)}"
        for d in comparison.datasets
    ]
    hollow = " Hollow marks: what the trivial backbones say of the same images." if comparison.baselines else ""
    return Caption(
        "Distance in units of P's own",
        "Each dataset's mean distance from P over the mean distance of P's own images from each other, in the same subspace, "
        f"with its 95 % bootstrap interval. The dashed line is P itself; right of it, the dataset is farther.{hollow}",
        f"Dots with intervals along one axis, the line at 1 being P itself: {'; '.join(values)}.",
    )


def _range(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (from {interval[0]:.2f} to {interval[1]:.2f})"


@registered(
    _relative_caption,
    shows=lambda comparison: any(dataset.relative is not None for dataset in comparison.datasets),
    phone=True,
)
def relative(comparison: Comparison, *, limit: int = 30) -> Figure:
    """Draw `relative` of each secondary with its 95 % interval, and the trivial backbones' values (hollow).

    relative = O^dist(S, P) / O^dist(P, P) in one subspace, so its values may be compared across datasets. Left of 1, S lies
    nearer to P than P's own images to each other.
    """
    with style.drawing():
        shown, left_out = style.rows(comparison, limit)
        figure, (axes,) = style.side_by_side(1.55 + 0.36 * len(shown), 1, rows=len(shown))
        axes.axvline(1.0, color=style.MUTED, lw=1.3, ls=(0, (4, 2)), label="_one")
        forest(axes, map(_estimate, shown), size=8, text_size=9)
        seen = _baselines(axes, comparison, [row.name for row in shown])
        _frame(figure, axes, shown, seen)
        style.head(
            figure, f"Distance from {style.name_text(comparison.primary.name)} over its self-distance [95 % interval]", left_out
        )
    return figure


def relative_axis() -> str:
    """Return the label of an axis of `relative`, on a phone in two lines."""
    ratio, read = r"O$^{\mathrm{dist}}$(S, P) / O$^{\mathrm{dist}}$(P, P)", "(1: as far as P's images are from each other)"
    return style.on_phone("\n", "   ").join((ratio, read))


def _estimate(row: style.DatasetRow) -> ForestRow:
    value, (low, high) = row.summary.relative, row.summary.relative_ci or (None, None)
    return ForestRow(row.name, value, low, high, row.look, format_interval(value, low, high))


def _baselines(axes: Axes, comparison: Comparison, names: list[str]) -> list[str]:
    """Draw the trivial backbones' values, and return the backbones' names."""
    seen = list(dict.fromkeys(baseline.backbone for baseline in comparison.baselines))
    for kind, backbone in enumerate(seen):
        by_dataset = {b.dataset: b.relative for b in comparison.baselines if b.backbone == backbone}
        pairs = [(by_dataset.get(name), position) for position, name in enumerate(names)]
        at = [(value, position) for value, position in pairs if value is not None]
        if not at:
            continue
        keywords: dict[str, Any] = {"ms": 5, "mfc": "none", "mec": style.MUTED, "mew": 1, "ls": "none", "zorder": 1.8}
        axes.plot([x for x, _ in at], [y for _, y in at], marker=SHAPES[kind % len(SHAPES)], label=backbone, **keywords)
    return seen


def _frame(figure: Figure, axes: Axes, shown: list[style.DatasetRow], seen: list[str]) -> None:
    lines = [line for line in axes.get_lines() if line.get_label() != "_one"]
    positive = [float(x) for line in lines for x in np.asarray(line.get_xdata(), dtype=np.float64) if x > 0]
    if positive and max(positive) > 8 * min(positive):
        style.log_ticks(axes)
    elif positive:
        edge = 0.06 * (max(*positive, 1.0) - min(*positive, 1.0)) + 0.01
        axes.set_xlim(min(*positive, 1.0) - edge, max(*positive, 1.0) + edge)
    else:
        axes.set_xlim(0.5, 1.5)
        axes.text(
            0.5, 0.5, UNDEFINED, transform=axes.transAxes, ha="center", va="center", bbox={"fc": style.PAPER, "ec": "none"}
        )
    frame_forest(axes, [style.name_text(row.name) for row in shown])
    axes.set_xlabel(relative_axis())
    handles = [line for line in axes.get_lines() if line.get_label() in seen and line.get_markerfacecolor() == "none"]
    if handles:
        legend = style.name_legend(figure, handles, 4, title="Trivial backbones")
        legend.get_title().set_fontsize(9)
        legend.set_alignment("left")


HALF = 0.40
FEW = 8
GRID_POINTS = 160


def _violin_caption(comparison: Comparison) -> Caption:
    medians = comparison.images.groupby("dataset", sort=False)["i_dist_mean"].median()
    own = comparison.primary_images.groupby("against", sort=False)["i_dist_mean"].median()
    values = [
        f"{name} {format_number(float(medians[name]))} (P's own {format_number(float(own[name]))})" for name in medians.index
    ]
    ruler = (
        " Every pair has its own subspace, so compare each coloured shape with the grey one under it, not with the others."
        if comparison.settings.projection == "pair"
        else ""
    )
    return Caption(
        "How the distances are spread",
        "Mean distance of each image to P's images (coloured), and of P's own images to the rest of P (grey). Bars span the "
        f"quartiles, white dots are medians; up to eight images are drawn one by one.{ruler}",
        f"Half-violins of image distances. Medians: {'; '.join(values)}.",
    )


@registered(_violin_caption, phone=True)
def violin(comparison: Comparison, *, limit: int = 24) -> Figure:
    """Draw the distribution of I^dist (mean form) in each secondary (above its line) and in the primary (grey, below).

    Each pair may have its own subspace (projection "pair"), so a violin is read against the grey one under it. Shapes are
    Gaussian kernel estimates cut at the extremes, each scaled to one height; up to eight images are dots. After fig. 3 of
    Achara & Pandey.
    """
    with style.drawing():
        shown, left_out = style.rows(comparison, limit)
        figure, (axes,) = style.side_by_side(1.25 + 0.62 * len(shown), 1, rows=2 * len(shown))
        dataset_violins(axes, shown, [f"{style.name_text(row.name)}\nn = {row.summary.n:,}" for row in shown])
        axes.set_xlabel(f"mean distance to the images of P ({style.I_DIST} / n)")
        against = f"; grey: {style.own_name(comparison)}, leave-one-out" if any(len(row.own) for row in shown) else ""
        style.head(figure, f"Distances of images from {style.name_text(comparison.primary.name)}{against}", left_out)
    return figure


def dataset_violins(axes: Axes, shown: Sequence[style.DatasetRow], labels: Sequence[str]) -> None:
    """Draw each dataset's distances above a labelled line, and the primary's own in the same subspace below it."""
    for position, row in enumerate(shown):
        half_violin(axes, row.distances, position, -1, row.look.colour, row.name)
        half_violin(axes, row.own, position, +1, style.PRIMARY, f"own:{row.name}")
    style.name_rows(axes, labels, 0.8 * HALF)
    axes.set_ylim(len(shown) - 0.45, -0.55 - style.on_phone(0.2, 0.0))


def half_violin(axes: Axes, values: Float64Array, line: float, side: int, colour: str, label: str) -> None:
    """Draw one half-violin of ascending values on `line`: `side` −1 above it, +1 below it (the y axis points down)."""
    if not len(values):
        return
    middle = line + side * 0.13
    if values[0] == values[-1] and len(values) > 1:
        axes.vlines(values[0], line, line + side * HALF, color=colour, lw=3, label=label)
        return
    if len(values) <= FEW:
        spots: dict[str, Any] = {"color": colour, "ms": 5.5, "mec": style.PAPER, "mew": 0.7, "ls": "none"}
        axes.plot(values, np.full(len(values), middle), marker="o", label=label, **spots)
        return
    at, height = shape(values)
    axes.fill_between(at, line, line + side * HALF * height, color=colour, alpha=0.75, lw=0, label=label)
    low, median, high = np.percentile(values, [25, 50, 75])
    bar = style.MUTED if side > 0 else style.INK
    axes.plot([low, high], [middle, middle], color=bar, lw=2.6, solid_capstyle="butt", label=f"quartiles:{label}")
    axes.plot([median], [middle], marker="o", ms=5, color=style.PAPER, mec=bar, mew=1.2, label=f"median:{label}")


def shape(values: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Estimate the Gaussian kernel density of `values` (Scott's bandwidth) at 160 positions, scaled to a peak of 1."""
    at = np.linspace(values.min(), values.max(), GRID_POINTS)
    width = values.std(ddof=1) * len(values) ** (-0.2)
    height = np.zeros(GRID_POINTS)
    for start in range(0, len(values), 4096):
        steps = (at[:, None] - values[None, start : start + 4096]) / width
        height += np.exp(-0.5 * steps * steps).sum(axis=1)
    return at, height / height.max()


SHARES = np.linspace(0.0, 1.0, 201)


def _sorted_caption(comparison: Comparison) -> Caption:
    level = (
        "over P's self-distance: how much of a dataset lies beyond P itself, whose own images are the grey curve."
        if all(dataset.self_distance for dataset in comparison.datasets)
        else "mean distances as they are, as P has no self-distance to measure them by."
    )
    return Caption(
        "Images in order of distance",
        "Each dataset's images from its nearest to its farthest. Left, scaled from 0 to 1 within each dataset: a steep end is "
        f"a few outlying images, a straight line an even spread. Right, {level}",
        "Two panels of rising curves, one for each dataset and a grey one for P: image distance against rank share; the "
        "numbers are in the tables.",
    )


@registered(_sorted_caption, phone=True)
def sorted_distances(comparison: Comparison, *, limit: int = 12) -> Figure:
    """Draw each secondary's images by increasing I^dist against rank share, with the primary's own images in grey.

    Left, as fig. 10 of Achara & Pandey: distances scaled to 0-1 within each dataset. Right: distances over the mean of P's own
    in the same subspace; raw where P is a single image. The grey band holds P's own curves of all pairs shown.
    """
    with style.drawing():
        shown, left_out = style.rows(comparison, limit)
        lines = -(-(len(shown) + 1) // 3)
        figure, (scaled, level) = style.side_by_side(3.9 + 0.22 * lines, 1, 1)
        for row in shown:
            curve(scaled, min_max(row.distances), row)
            curve(level, row.distances / _unit(row), row)
        own = [row.own for row in shown if len(row.own)]
        _band(scaled, [min_max(values) for values in own], style.own_name(comparison))
        _band(level, [row.own / _unit(row) for row in shown if len(row.own)], style.own_name(comparison))
        scaled.set_ylabel(f"{style.I_DIST}, scaled to 0–1 in each dataset")
        yardstick = all(_unit(row) != 1.0 for row in shown)
        level.set_ylabel("mean distance / that of P's own images" if yardstick else "mean distance to the images of P")
        if yardstick:
            level.axhline(1.0, color=style.MUTED, lw=1, ls=(0, (2, 2)), label="_one")
        for axes in (scaled, level):
            axes.set(xlabel="share of the dataset's images, nearest first", xlim=(-0.02, 1.02))
            axes.grid(True, axis="y")
        style.name_legend(figure, scaled, handlelength=3)
        style.head(figure, f"Images in order of distance from {style.name_text(comparison.primary.name)}", left_out)
    return figure


def min_max(values: Float64Array) -> Float64Array:
    """Scale ascending values to 0-1; equal values become 0."""
    spread = values[-1] - values[0] if len(values) else 0.0
    return (values - values[0]) / spread if spread > 0 else np.zeros(len(values))


def _unit(row: style.DatasetRow) -> float:
    return row.summary.self_distance or 1.0


def curve(axes: Axes, values: Float64Array, row: style.DatasetRow) -> None:
    """Draw a dataset's ascending image values against rank share, in the dataset's look."""
    share = np.linspace(0.0, 1.0, len(values)) if len(values) > 1 else np.array([0.5])
    marker = row.look.marker if len(values) < 12 else "none"
    axes.plot(
        share, values, color=row.look.colour, ls=row.look.dash, marker=marker, ms=4.5, lw=1.7, label=style.name_text(row.name)
    )


def _band(axes: Axes, curves: list[Float64Array], label: str) -> None:
    if not curves:
        return
    at = np.stack([np.interp(SHARES, np.linspace(0.0, 1.0, len(values)), values) for values in curves])
    low, high = at.min(axis=0), at.max(axis=0)
    axes.fill_between(SHARES, low, high, color=style.PRIMARY, alpha=0.35, lw=0)
    axes.plot(SHARES, at.mean(axis=0), color=style.PRIMARY, lw=2.6, label=label, zorder=1.5)


COLUMNS = 3
POINTS = 4000


def _scatter_caption(comparison: Comparison) -> Caption:
    percentages = [100 * dataset.explained_variance for dataset in comparison.datasets]
    return Caption(
        "First two components",
        "P grey, the dataset coloured. Distances are measured in all components, so what overlaps in this plane may be apart "
        "in others.",
        "One panel of points for each dataset, P's images grey. The components kept hold between "
        f"{np.min(percentages):.0f} and {np.max(percentages):.0f} % of the variance.",
    )


@registered(_scatter_caption, phone=True)
def scatter(comparison: Comparison, *, limit: int = 12) -> Figure:
    """Draw the first two principal components, a panel per secondary with equal axis units.

    Distances are measured in all components: what overlaps in this plane may still be apart. Of more than 4000 images, evenly
    spaced ones are drawn.
    """
    with style.drawing():
        shown, left_out = style.rows(comparison, limit)
        columns = min(style.on_phone(2, COLUMNS), len(shown))
        lines = -(-len(shown) // columns)
        figure = style.blank(
            style.WIDTH if columns > 1 else 5.2, 0.75 + (style.on_phone(2.3, 2.95) if columns > 1 else 4.2) * lines
        )
        for position, row in enumerate(shown, start=1):
            axes = figure.add_subplot(lines, columns, position)
            _panel(axes, row, comparison.settings.projection)
        style.head(figure, f"First two components; grey: {style.own_name(comparison)}", left_out)
    return figure


def _panel(axes: Axes, row: style.DatasetRow, projection: str) -> None:
    own, points = _plane(row.primary), _plane(row.images)
    # A point costs about a hundred bytes as vectors: the clouds alone are drawn as pixels, the text stays text.
    axes.scatter(own[:, 0], own[:, 1], s=_size(len(own)), c=style.PRIMARY, alpha=0.55, lw=0, rasterized=True, label="own")
    size = 1.5 * _size(len(points))
    keywords: dict[str, Any] = {
        "c": row.look.colour,
        "marker": row.look.marker,
        "alpha": 0.8,
        "rasterized": True,
        "linewidths": 0,
    }
    axes.scatter(points[:, 0], points[:, 1], s=size, label=row.name, **keywords)
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(True, axis="both")
    axes.margins(0.06)
    summary = row.summary
    components = f"z = {summary.components} ({100 * summary.explained_variance:.0f} %{style.on_phone('', ' of variance')})"
    text = f"n = {summary.n:,}; {components if projection != 'none' else 'no projection'}"
    style.plain(axes.set_title(style.name_text(row.name, style.on_phone(20, 24)), color=style.INK, fontweight="bold", pad=17))
    # The line may run past the panel's edge; were it part of the layout, the panels would shrink to make room for it.
    axes.text(0, 1.025, text, transform=axes.transAxes, fontsize=8, color=style.MUTED).set_in_layout(False)
    axes.set_xlabel("component 1")
    axes.set_ylabel("component 2", labelpad=1)
    axes.tick_params(labelsize=8)
    axes.locator_params(nbins=5)


def _plane(frame: pd.DataFrame) -> Float64Array:
    step = -(-len(frame) // POINTS)
    points = np.asarray(frame[["pc1", "pc2"]], dtype=np.float64)[::step]
    return points[np.isfinite(points).all(axis=1)]


def _size(n: int) -> float:
    """Return the marker area: large for few images, small for many."""
    return float(np.clip(2200 / max(n, 1), 5, 45))
