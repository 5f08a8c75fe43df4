"""Draw distances: of datasets and images from P (figs. 3, 10 of the paper), by several backbones, of every two datasets."""

from collections.abc import Mapping, Sequence
from itertools import combinations, cycle
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.figures import Caption, style
from howfar.figures.style import ForestRow, forest, frame_forest, report_figure
from howfar.formatting_and_escaping import format_interval, format_number, signed, times
from howfar.results import Comparison
from howfar.results.backbones_result import BackboneComparison
from howfar.results.matrix_result import Matrix

UNDEFINED = "undefined: P's own images have no distance from each other"
MUTUAL: Final = "mutual distance"
SCALED_AXIS: Final = r"O$^{\mathrm{dist}}$, scaled to a sum of 1 over the datasets"
SHAPES = ("s", "^", "D", "v", "P", "X")
HALF, FEW, POINTS = 0.40, 8, 4000
SHARES = np.linspace(0.0, 1.0, 201)
NAMED: Final = 60  # datasets up to which each row has its name
NUMBERED: Final = 12  # datasets up to which each cell has its number
LISTED: Final = 30  # datasets whose nearest other the alternative text names


def _relative_caption(comparison: Comparison) -> Caption:
    values = []
    for each in comparison.datasets:
        ends = "" if each.relative_ci is None else " (from {:.2f} to {:.2f})".format(*each.relative_ci)
        values.append(f"{each.name} {'undefined' if each.relative is None else times(each.relative)}{ends}")
    hollow = " Hollow marks: what the trivial backbones say of the same images." if comparison.baselines else ""
    return Caption(
        "Distance in units of P's own",
        "Each dataset's mean distance from P over the mean distance of P's own images from each other, in the same subspace, "
        f"with its 95 % bootstrap interval. The dashed line is P itself; right of it, the dataset is farther.{hollow}",
        f"Dots with intervals along one axis, the line at 1 being P itself: {'; '.join(values)}.",
    )


@report_figure(_relative_caption, shows=lambda result: any(each.relative is not None for each in result.datasets), phone=True)
def relative(comparison: Comparison, *, limit: int = 30) -> Figure:
    """Draw `relative` of each secondary with its 95 % interval, and the trivial backbones' values (hollow).

    relative = O^dist(S, P) / O^dist(P, P) in one subspace, so its values may be compared across datasets. Left of 1, S lies
    nearer to P than P's own images to each other.
    """
    shown, left_out = style.rows(comparison, limit)
    figure, (axes,) = style.side_by_side(1.55 + 0.36 * len(shown), 1, rows=len(shown))
    axes.axvline(1.0, color=style.MUTED, lw=1.3, ls=(0, (4, 2)), label="_one")
    estimates, handles = list[ForestRow](), list[Line2D]()
    for row in shown:
        value, (low, high) = row.summary.relative, row.summary.relative_ci or (None, None)
        estimates.append(ForestRow(row.name, value, low, high, row.look, format_interval(value, low, high)))
    forest(axes, estimates, size=8, text_size=9)
    # The trivial backbones' values.
    for kind, backbone in enumerate(dict.fromkeys(baseline.backbone for baseline in comparison.baselines)):
        own = [each for each in comparison.baselines if each.backbone == backbone]
        by_dataset = {each.dataset: each.relative for each in own if each.relative is not None}
        places = [place for place, row in enumerate(shown) if row.name in by_dataset]
        if places:
            values = [by_dataset[shown[place].name] for place in places]
            keywords: dict[str, Any] = {"ms": 5, "mfc": "none", "mec": style.MUTED, "mew": 1, "ls": "none", "zorder": 1.8}
            handles += axes.plot(values, places, marker=SHAPES[kind % len(SHAPES)], label=backbone, **keywords)
    # The scale holds every value, and is logarithmic where they lie far apart.
    lines = [line for line in axes.get_lines() if line.get_label() != "_one"]
    positive = [float(x) for line in lines for x in np.asarray(line.get_xdata(), dtype=np.float64) if x > 0]
    if positive and max(positive) > 8 * min(positive):
        style.log_ticks(axes)
    elif positive:
        edge = 0.06 * (max(*positive, 1.0) - min(*positive, 1.0)) + 0.01
        axes.set_xlim(min(*positive, 1.0) - edge, max(*positive, 1.0) + edge)
    else:
        axes.set_xlim(0.5, 1.5)
        middle: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.5, UNDEFINED, bbox={"fc": style.PAPER, "ec": "none"}, **middle)
    frame_forest(axes, [style.name_text(row.name) for row in shown])
    axes.set_xlabel(relative_axis())
    if handles:
        legend = style.name_legend(figure, handles, 4, title="Trivial backbones")
        legend.get_title().set_fontsize(9)
        legend.set_alignment("left")
    primary = style.name_text(comparison.primary.name)
    return style.head(figure, f"Distance from {primary} over its self-distance [95 % interval]", left_out)


def relative_axis() -> str:
    """Return the label of an axis of `relative`, on a phone in two lines."""
    ratio, read = r"O$^{\mathrm{dist}}$(S, P) / O$^{\mathrm{dist}}$(P, P)", "(1: as far as P's images are from each other)"
    return style.on_phone("\n", "   ").join((ratio, read))


def _violin_caption(comparison: Comparison) -> Caption:
    medians = comparison.images.groupby("dataset", sort=False)["i_dist_mean"].median().map(format_number)
    own = comparison.primary_images.groupby("against", sort=False)["i_dist_mean"].median().map(format_number).to_dict()
    values = [f"{name} {median} (P's own {own[name]})" for name, median in medians.items()]
    ruler = " Every pair has its own subspace, so compare each coloured shape with the grey one under it, not with the others."
    ruler = ruler if comparison.settings.projection == "pair" else ""
    return Caption(
        "How the distances are spread",
        "Mean distance of each image to P's images (coloured), and of P's own images to the rest of P (grey). Bars span the "
        f"quartiles, white dots are medians; up to eight images are drawn one by one.{ruler}",
        f"Half-violins of image distances. Medians: {'; '.join(values)}.",
    )


@report_figure(_violin_caption, phone=True)
def violin(comparison: Comparison, *, limit: int = 24) -> Figure:
    """Draw the distribution of I^dist (mean form) in each secondary (above its line) and in the primary (grey, below).

    Each pair may have its own subspace (projection "pair"), so a violin is read against the grey one under it. Shapes are
    Gaussian kernel estimates cut at the extremes, each scaled to one height; up to eight images are dots. After fig. 3 of
    Achara & Pandey.
    """
    shown, left_out = style.rows(comparison, limit)
    figure, (axes,) = style.side_by_side(1.25 + 0.62 * len(shown), 1, rows=2 * len(shown))
    dataset_violins(axes, shown, [f"{style.name_text(row.name)}\nn = {row.summary.n:,}" for row in shown])
    axes.set_xlabel(f"mean distance to the images of P ({style.I_DIST} / n)")
    against = f"; grey: {style.own_name(comparison)}, leave-one-out" if any(len(row.own) for row in shown) else ""
    return style.head(figure, f"Distances of images from {style.name_text(comparison.primary.name)}{against}", left_out)


def dataset_violins(axes: Axes, shown: Sequence[style.DatasetRow], labels: Sequence[str]) -> None:
    """Draw each dataset's distances above a labelled line, and the primary's own in the same subspace below it."""
    for position, row in enumerate(shown):
        half_violin(axes, row.distances, position, -1, row.look.colour, row.name)
        half_violin(axes, row.own, position, +1, style.PRIMARY, f"own:{row.name}")
    style.name_rows(axes, labels, 0.8 * HALF)
    axes.set_ylim(len(shown) - 0.45, -0.55 - style.on_phone(0.2, 0.0))


def half_violin(axes: Axes, distances: ArrayLike, line: float, side: int, colour: str, label: str) -> None:
    """Draw one half-violin of the finite values on `line`: `side` −1 above it, +1 below it (the y axis points down)."""
    values = style.ascending(distances)
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
    from scipy.stats import gaussian_kde

    at = np.linspace(values.min(), values.max(), 160)
    height = gaussian_kde(values)(at)
    return at, height / height.max()


def _sorted_caption(comparison: Comparison) -> Caption:
    level = "over P's self-distance: how much of a dataset lies beyond P itself, whose own images are the grey curve."
    if not all(dataset.self_distance for dataset in comparison.datasets):
        level = "mean distances as they are, as P has no self-distance to measure them by."
    return Caption(
        "Images in order of distance",
        "Each dataset's images from its nearest to its farthest. Left, scaled from 0 to 1 within each dataset: a steep end is "
        f"a few outlying images, a straight line an even spread. Right, {level}",
        "Two panels of rising curves, one for each dataset and a grey one for P: image distance against rank share; the "
        "numbers are in the tables.",
    )


@report_figure(_sorted_caption, phone=True)
def sorted_distances(comparison: Comparison, *, limit: int = 12) -> Figure:
    """Draw each secondary's images by increasing I^dist against rank share, with the primary's own images in grey.

    Left, as fig. 10 of Achara & Pandey: distances scaled to 0-1 within each dataset. Right: distances over the mean of P's own
    in the same subspace; raw where P is a single image. The grey band holds P's own curves of all pairs shown.
    """
    shown, left_out = style.rows(comparison, limit)
    lines = -(-(len(shown) + 1) // 3)
    figure, (scaled, level) = style.side_by_side(3.9 + 0.22 * lines, 1, 1)
    units = [row.summary.self_distance or 1.0 for row in shown]
    for row, unit in zip(shown, units, strict=True):
        curve(scaled, min_max(row.distances), row)
        curve(level, row.distances / unit, row)
    own = [(row.own, unit) for row, unit in zip(shown, units, strict=True) if len(row.own)]
    _band(scaled, [min_max(values) for values, _ in own], style.own_name(comparison))
    _band(level, [values / unit for values, unit in own], style.own_name(comparison))
    scaled.set_ylabel(f"{style.I_DIST}, scaled to 0–1 in each dataset")
    yardstick = all(unit != 1.0 for unit in units)
    level.set_ylabel("mean distance / that of P's own images" if yardstick else "mean distance to the images of P")
    if yardstick:
        level.axhline(1.0, color=style.MUTED, lw=1, ls=(0, (2, 2)), label="_one")
    for axes in (scaled, level):
        axes.set(xlabel="share of the dataset's images, nearest first", xlim=(-0.02, 1.02))
        axes.grid(True, axis="y")
    style.name_legend(figure, scaled, handlelength=3)
    return style.head(figure, f"Images in order of distance from {style.name_text(comparison.primary.name)}", left_out)


def min_max(values: Float64Array) -> Float64Array:
    """Scale ascending values to 0-1; equal values become 0."""
    spread = values[-1] - values[0] if len(values) else 0.0
    return (values - values[0]) / spread if spread > 0 else np.zeros(len(values))


def curve(axes: Axes, values: Float64Array, row: style.DatasetRow) -> None:
    """Draw a dataset's ascending image values against rank share, in the dataset's look."""
    share = np.linspace(0.0, 1.0, len(values)) if len(values) > 1 else np.array([0.5])
    look, name = row.look, style.name_text(row.name)
    marker = look.marker if len(values) < 12 else "none"
    axes.plot(share, values, color=look.colour, ls=look.dash, marker=marker, ms=4.5, lw=1.7, label=name)


def _band(axes: Axes, curves: list[Float64Array], label: str) -> None:
    if not curves:
        return
    at = np.stack([np.interp(SHARES, np.linspace(0.0, 1.0, len(values)), values) for values in curves])
    low, high = at.min(axis=0), at.max(axis=0)
    axes.fill_between(SHARES, low, high, color=style.PRIMARY, alpha=0.35, lw=0)
    axes.plot(SHARES, at.mean(axis=0), color=style.PRIMARY, lw=2.6, label=label, zorder=1.5)


def _scatter_caption(comparison: Comparison) -> Caption:
    percentages = [100 * dataset.explained_variance for dataset in comparison.datasets]
    return Caption(
        "First two components",
        "P grey, the dataset coloured. Distances are measured in all components, so what overlaps in this plane may be apart "
        "in others.",
        "One panel of points for each dataset, P's images grey. The components kept hold between "
        f"{np.min(percentages):.0f} and {np.max(percentages):.0f} % of the variance.",
    )


@report_figure(_scatter_caption, phone=True)
def scatter(comparison: Comparison, *, limit: int = 12) -> Figure:
    """Draw the first two principal components, a panel per secondary with equal axis units.

    Distances are measured in all components: what overlaps in this plane may still be apart. Of more than 4000 images, evenly
    spaced ones are drawn.
    """
    shown, left_out = style.rows(comparison, limit)
    columns = min(style.on_phone(2, 3), len(shown))
    lines = -(-len(shown) // columns)
    width, height = (style.WIDTH, style.on_phone(2.3, 2.95)) if columns > 1 else (5.2, 4.2)
    figure = style.blank(width, 0.75 + height * lines)
    for position, row in enumerate(shown, start=1):
        axes = figure.add_subplot(lines, columns, position)
        # A point costs about a hundred bytes as vectors: the clouds alone are drawn as pixels, the text stays text.
        cloud: dict[str, Any] = {"rasterized": True, "linewidths": 0}
        own, points = _plane(row.primary), _plane(row.images)
        axes.scatter(own[:, 0], own[:, 1], s=_size(len(own)), c=style.PRIMARY, alpha=0.55, label="own", **cloud)
        look: dict[str, Any] = {"c": row.look.colour, "marker": row.look.marker, "alpha": 0.8}
        axes.scatter(points[:, 0], points[:, 1], s=1.5 * _size(len(points)), label=row.name, **look, **cloud)
        axes.set_aspect("equal", adjustable="datalim")
        axes.grid(True, axis="both")
        axes.margins(0.06)
        summary, share = row.summary, 100 * row.summary.explained_variance
        components = f"z = {summary.components} ({share:.0f} %{style.on_phone('', ' of variance')})"
        text = f"n = {summary.n:,}; {components if comparison.settings.projection != 'none' else 'no projection'}"
        name = style.name_text(row.name, style.on_phone(20, 24))
        axes.set_title(name, color=style.INK, fontweight="bold", pad=17, parse_math=False)
        # The line may run past the panel's edge; were it part of the layout, the panels would shrink to make room for it.
        axes.text(0, 1.025, text, transform=axes.transAxes, fontsize=8, color=style.MUTED).set_in_layout(False)
        axes.set_xlabel("component 1")
        axes.set_ylabel("component 2", labelpad=1)
        axes.tick_params(labelsize=8)
        axes.locator_params(nbins=5)
    return style.head(figure, f"First two components; grey: {style.own_name(comparison)}", left_out)


def _plane(frame: pd.DataFrame) -> Float64Array:
    step = -(-len(frame) // POINTS)
    points = np.asarray(frame[["pc1", "pc2"]], dtype=np.float64)[::step]
    return points[np.isfinite(points).all(axis=1)]


def _size(n: int) -> float:
    """Return the marker area: large for few images, small for many."""
    return float(np.clip(2200 / max(n, 1), 5, 45))


def _matrix_caption(matrix: Matrix) -> Caption:
    nearest = "; ".join(
        f"{name}: nearest {values.idxmin()} {values.min():.2f}"
        for name, row in list(matrix.square().iterrows())[:LISTED]
        if len(values := row.drop(name).dropna())
    )
    return Caption(
        "Which datasets are alike",
        "Mutual distance of every two datasets: their mean distance over the self-distance of the one that varies less; "
        "1 is as far as its own images are from each other. The tree joins what is most alike first (average linkage); rows "
        "and columns follow it.",
        f"A tree and a map. {nearest}.",
    )


def _matrix_relative_caption(_: Matrix) -> Caption:
    return Caption(
        "By the row's own yardstick",
        "The row is taken as the primary dataset: mean distance of the column's images from the row's, over the row's "
        "self-distance in the same space. It is not symmetric: a set that varies much has a long yardstick.",
        "A map of relative distances, a row a primary dataset.",
    )


def _few_cells(matrix: Matrix) -> bool:
    return len(matrix.datasets) <= NAMED


@report_figure(_matrix_caption, vector=_few_cells)
def matrix_map(matrix: Matrix) -> Figure:
    """Draw the distances between datasets as a matrix in the order of the clustering tree (average linkage) beside it."""
    from scipy.cluster.hierarchy import dendrogram

    order, tree = arranged(matrix)
    figure, (left, axes) = style.side_by_side(_map_height(len(order)), 1, 4.6)
    drawn = dendrogram(tree, no_plot=True)
    base = min(1.0, float(tree[:, 2].min()))
    for depths, places in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        # scipy puts leaf k at 10 k + 5, and leaves at 0, where here a dataset is as far from itself as its images are.
        left.plot(np.maximum(depths, base), (np.asarray(places) - 5) / 10, color=style.INK, lw=1.1, label="_branch")
    left.set(ylim=(len(order) - 0.5, -0.5), yticks=[], xlabel=MUTUAL)
    left.invert_xaxis()
    left.set_xlim(right=base)
    left.grid(visible=False)
    left.spines["left"].set_visible(False)
    _draw_map(figure, axes, matrix.square().iloc[order, order], MUTUAL)
    note = "1: as far as their own images; what is near in the tree stands together"
    return style.head(figure, "Which datasets are alike", note)


@report_figure(_matrix_relative_caption, vector=_few_cells)
def matrix_relative(matrix: Matrix) -> Figure:
    """Draw each dataset's (column) distance from each primary (row), over the primary's self-distance, as in `matrix_map`."""
    order, _ = arranged(matrix)
    figure, (axes,) = style.side_by_side(_map_height(len(order)), 1)
    _draw_map(figure, axes, matrix.square("relative").iloc[order, order], "distance over the row's self-distance")
    axes.set_ylabel("taken as the primary dataset")
    title = "How far each dataset is from each, by the row's own yardstick"
    return style.head(figure, title, "1: as far as the row's own images are")


def arranged(matrix: Matrix) -> tuple[list[int], Float64Array]:
    """Return the datasets' order in the clustering tree, and scipy's tree, in which undefined distances are the largest."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    values = matrix.square().to_numpy()
    finite = values[np.isfinite(values)]
    values = np.where(np.isfinite(values), values, finite.max(initial=0.0))
    tree: Float64Array = linkage(squareform(values, checks=False), "average", optimal_ordering=len(values) <= NAMED)
    return [int(position) for position in leaves_list(tree)], tree


def _map_height(count: int) -> float:
    return float(np.clip(1.6 + 0.34 * count, 3.4, 10.0))


def _draw_map(figure: Figure, axes: Axes, square: pd.DataFrame, scale: str) -> None:
    values = square.to_numpy()
    count = len(values)
    low, high = min(1.0, float(np.nanmin(values))), max(float(np.nanquantile(values, 0.98)), 1.0 + 1e-6)
    colours = colormaps["YlGnBu"].with_extremes(bad=style.PAPER)
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    if count <= NAMED:
        size, rotation, va = (8.5, 40, "top") if count <= 30 else (6.0, 90, "center")
        words: dict[str, Any] = {"labels": [style.name_text(str(name), 23) for name in square.index], "parse_math": False}
        axes.set_yticks(range(count), fontsize=size, **words)
        axes.set_xticks(range(count), fontsize=size, rotation=rotation, ha="right", va=va, rotation_mode="anchor", **words)
    else:
        axes.set(xticks=[], yticks=[], xlabel=f"{count} datasets")
    if count <= NUMBERED:
        for (row, column), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else f"{value:.2f}"
            colour = style.ON_DARK if value > low + 0.6 * (high - low) else style.ON_LIGHT
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=colour)
    style.without_edges(axes)
    axes.tick_params(colors=style.INK if count <= NAMED else style.MUTED)
    figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02, extend="max", label=scale)


def _backbones_caption(comparison: BackboneComparison) -> Caption:
    measure = comparison.measure()
    values = []
    for backbone, own in comparison.to_frame().set_index("dataset").groupby("backbone", sort=False)[measure]:
        values.append(f"{backbone}: {', '.join(f'{name} {format_number(value, 3)}' for name, value in own.items())}")
    hollow = " Hollow marks: the trivial backbones." if comparison.trivial else ""
    text = (
        "Each dataset's mean distance from P over the mean distance of P's own images from each other, by each backbone in "
        "its own features, with 95 % bootstrap intervals. The dashed line is P itself."
        if measure == "relative"
        else "Each dataset's share of the summed distances, by each backbone; one has no yardstick of P's own images."
    )
    return Caption("The same datasets by several backbones", f"{text}{hollow}", f"Dots on one axis. {'; '.join(values)}.")


@report_figure(_backbones_caption, phone=True)
def backbones_relative(comparison: BackboneComparison, *, limit: int = 30) -> Figure:
    """Draw `relative` of each secondary by each backbone with its 95 % interval; trivial backbones are hollow.

    Where a backbone has no yardstick, the row-scaled O^dist stands in its place. Nearest first, by mean rank over the
    backbones.
    """
    frame, measure = comparison.to_frame(), comparison.measure()
    order = nearest_first(frame)[-limit:]
    seen = looks(comparison)
    gap = 0.19 * len(seen) + 0.22
    figure, (axes,) = style.side_by_side(1.5 + gap * len(order), 1)
    if measure == "relative":
        axes.axvline(1.0, color=style.MUTED, lw=1.3, ls=(0, (4, 2)), label="_one")
    for position, (backbone, own) in enumerate(seen.items()):
        rows = frame[frame["backbone"] == backbone].set_index("dataset").loc[order].to_dict("records")
        hollow, shift = bool(rows[0]["trivial"]), (position - (len(seen) - 1) / 2) * 0.19 / gap
        low, high = ("relative_low", "relative_high") if measure == "relative" else ("", "")
        ends = [(row[measure], row.get(low), row.get(high)) for row in rows]
        dots = (ForestRow("_dataset", *each, own, "", place + shift, hollow) for place, each in enumerate(ends))
        forest(axes, dots, width=2, size=5 if hollow else 6.5, label="_ci")
        mark: dict[str, Any] = {"mfc": "none" if hollow else own.colour, "mec": own.colour, "ls": "none"}
        axes.plot([], [], marker=own.marker, label=str(backbone), **mark)
    values = frame.loc[frame["dataset"].isin(order), measure].dropna()
    if len(values) and values.min() > 0 and values.max() > 8 * values.min():
        style.log_ticks(axes)
    frame_forest(axes, [style.name_text(name) for name in order], range(1, len(order)))
    axes.set_xlabel(relative_axis() if measure == "relative" else SCALED_AXIS)
    left_out = "" if len(order) == frame["dataset"].nunique() else f"The farthest {limit} datasets are shown."
    primary = style.name_text(comparison.comparisons[0].primary.name)
    title = f"Distance from {primary} over its self-distance" if measure == "relative" else f"Distance from {primary}"
    style.name_legend(figure, axes, 4)
    return style.head(figure, f"{title}, by backbone", left_out)


def _agreement_caption(comparison: BackboneComparison) -> Caption:
    return Caption(
        "Where they agree",
        "Spearman's rank correlation between each two backbones: left of the order in which they put the datasets, right of "
        "the order in which they put the images of a dataset, mean over the datasets.",
        "; ".join(comparison.agreement_lines()),
    )


@report_figure(_agreement_caption)
def backbones_agreement(comparison: BackboneComparison) -> Figure:
    """Draw Spearman's correlation between backbones on the order of datasets and of a dataset's images (mean over datasets)."""
    names = list(looks(comparison))
    figure, panels = style.side_by_side(1.6 + 0.34 * len(names), 1, 1, sharey=True)
    for number, axes in enumerate(panels):
        # The triangle below the diagonal.
        cells = np.full((len(names), len(names)), np.nan)
        for column, row in combinations(range(len(names)), 2):
            value = comparison.agreed(names[row], names[column])[number]
            cells[row, column] = np.nan if value is None else value
            # A cell without a value is as the page behind it.
            colour = style.INK if value is None else style.ON_DARK if abs(value) > 0.65 else style.ON_LIGHT
            axes.text(column, row, signed(cells[row, column]), ha="center", va="center", fontsize=8.5, color=colour)
        axes.imshow(cells, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
        style.name_rows(axes, [style.name_text(name, 24) for name in names])
        axes.set(ylim=(len(names) - 0.5, 0.5), xlim=(-0.5, len(names) - 1.5))
        across = [style.name_text(name, 16) for name in names[:-1]]
        axes.set_xticks(range(len(across)), labels=across, rotation=35, ha="right", parse_math=False)
        axes.set_title(("order of the datasets", "order of a dataset's images")[number])
        style.without_edges(axes)
    return style.head(figure, "How far backbones agree", "Spearman's rank correlation: 1 is the same order, 0 none in common")


def nearest_first(frame: pd.DataFrame) -> list[str]:
    """Order the datasets by mean rank over the non-trivial backbones."""
    ranks = frame[~frame["trivial"]].groupby("dataset", sort=False)["rank"].mean()
    return [str(name) for name in ranks.sort_values(kind="stable").index]


def looks(comparison: BackboneComparison) -> Mapping[str, style.Look]:
    """Return each backbone's look, the trivial ones last and grey."""
    own = {name: style.look(position) for position, name in enumerate(comparison.backbones)}
    return own | {name: style.Look(style.MUTED, "-", shape) for name, shape in zip(comparison.trivial, cycle(SHAPES))}
