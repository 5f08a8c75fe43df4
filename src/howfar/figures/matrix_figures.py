"""Draw the distances between every two datasets as heat maps, ordered by hierarchical clustering."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures import Caption, registered, style
from howfar.results.comparison_result import Matrix

NAMED: Final = 60  # datasets up to which each row has its name
NUMBERED: Final = 12  # datasets up to which each cell has its number
MUTUAL: Final = "mutual distance"
LISTED: Final = 30  # datasets whose nearest other the alternative text names


def _map_caption(matrix: Matrix) -> Caption:
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


def _relative_caption(_: Matrix) -> Caption:
    return Caption(
        "By the row's own yardstick",
        "The row is taken as the primary dataset: mean distance of the column's images from the row's, over the row's "
        "self-distance in the same space. It is not symmetric: a set that varies much has a long yardstick.",
        "A map of relative distances, a row a primary dataset.",
    )


def _few_cells(matrix: Matrix) -> bool:
    return len(matrix.datasets) <= NAMED


@registered(_map_caption, vector=_few_cells)
def matrix_map(matrix: Matrix) -> Figure:
    """Draw each two datasets' mutual distance beside the clustering tree, in whose order (average linkage) they stand."""
    order, tree = arranged(matrix)
    with style.drawing():
        figure = style.blank(style.WIDTH, _height(len(order)))
        left, axes = figure.subplots(1, 2, width_ratios=(1, 4.6))
        _tree(left, tree, len(order))
        _map(figure, axes, matrix.square().iloc[order, order], MUTUAL)
        style.head(
            figure, "Which datasets are alike", "1: as far as their own images; what is near in the tree stands together"
        )
    return figure


@registered(_relative_caption, vector=_few_cells)
def matrix_relative(matrix: Matrix) -> Figure:
    """Draw each dataset's (column) distance from each primary (row), over the primary's self-distance, as in `matrix_map`."""
    order, _ = arranged(matrix)
    with style.drawing():
        figure = style.blank(style.WIDTH, _height(len(order)))
        axes = figure.subplots()
        _map(figure, axes, matrix.square("relative").iloc[order, order], "distance over the row's self-distance")
        axes.set_ylabel("taken as the primary dataset")
        style.head(
            figure, "How far each dataset is from each, by the row's own yardstick", "1: as far as the row's own images are"
        )
    return figure


def arranged(matrix: Matrix) -> tuple[list[int], Float64Array]:
    """Return the datasets' order in the clustering tree, and scipy's tree, in which undefined distances are the largest."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    values = matrix.square().to_numpy()
    finite = values[np.isfinite(values)]
    values = np.where(np.isfinite(values), values, finite.max(initial=0.0))
    tree: Float64Array = linkage(squareform(values, checks=False), "average", optimal_ordering=len(values) <= NAMED)
    return [int(position) for position in leaves_list(tree)], tree


def _height(count: int) -> float:
    return float(np.clip(1.6 + 0.34 * count, 3.4, 10.0))


def _tree(axes: Axes, tree: Float64Array, count: int) -> None:
    from scipy.cluster.hierarchy import dendrogram

    drawn = dendrogram(tree, no_plot=True)
    base = min(1.0, float(tree[:, 2].min()))
    for depths, places in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        # scipy puts leaf k at 10 k + 5, and leaves at 0, where here a dataset is as far from itself as its images are.
        axes.plot(np.maximum(depths, base), (np.asarray(places) - 5) / 10, color=style.INK, lw=1.1, label="_branch")
    axes.set_ylim(count - 0.5, -0.5)
    axes.invert_xaxis()
    axes.set_xlim(right=base)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(MUTUAL)


def _map(figure: Figure, axes: Axes, square: pd.DataFrame, scale: str) -> None:
    values = square.to_numpy()
    count = len(values)
    low, high = min(1.0, float(np.nanmin(values))), max(float(np.nanquantile(values, 0.98)), 1.0 + 1e-6)
    colours = colormaps["YlGnBu"].with_extremes(bad=style.PAPER)
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    if count <= NAMED:
        size = 8.5 if count <= 30 else 6.0
        names = [style.name_text(str(name), 23) for name in square.index]
        axes.set_yticks(range(count), labels=names, fontsize=size)
        axes.set_xticks(range(count), labels=names, fontsize=size, rotation=40 if count <= 30 else 90)
        for label in (*axes.get_yticklabels(), *axes.get_xticklabels()):
            style.plain(label)
        for label in axes.get_xticklabels():
            label.set(ha="right", va="center" if count > 30 else "top", rotation_mode="anchor")
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{count} datasets")
    if count <= NUMBERED:
        for (row, column), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else f"{value:.2f}"
            dark = not np.isnan(value) and value > low + 0.6 * (high - low)
            axes.text(
                column, row, text, ha="center", va="center", fontsize=8.5, color=style.ON_DARK if dark else style.ON_LIGHT
            )
    style.without_edges(axes)
    axes.tick_params(colors=style.INK if count <= NAMED else style.MUTED)
    figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02, extend="max", label=scale)
