"""What stands under each figure of the report, and what stands for it where it cannot be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howfar.numbers import format_number
from howfar.report.words import times
from howfar.results import Comparison


@dataclass(frozen=True)
class Caption:
    """A figure's heading, how to read it, and the numbers in words for those who do not see it."""

    title: str
    text: str
    alternative: str


def caption(name: str, comparison: Comparison) -> Caption:
    """The caption of one of the report's figures.

    Parameters
    ----------
    name
        "relative", "violin", "sorted_distances", "scatter" or "thumbnails".
    comparison
        The result that the figure shows.
    """
    return _CAPTIONS[name](comparison)


def _relative(comparison: Comparison) -> Caption:
    values = [
        f"{d.name} {'undefined' if d.relative is None else times(d.relative)}{_interval(d.relative_ci)}"
        for d in comparison.datasets
    ]
    hollow = " Hollow marks: what the trivial backbones say of the same images." if comparison.baselines else ""
    return Caption(
        "Distance in units of P's own",
        "Each dataset's mean distance from P over the mean distance of P's own images from each other, in the same subspace, "
        f"with its 95 % bootstrap interval. The dashed line is P itself; right of it, the dataset is farther.{hollow}",
        f"Dots with intervals along one axis, the line at 1 being P itself: {'; '.join(values)}.",
    )


def _violin(comparison: Comparison) -> Caption:
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


def _sorted_distances(comparison: Comparison) -> Caption:
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


def _scatter(comparison: Comparison) -> Caption:
    kept = [100 * dataset.explained_variance for dataset in comparison.datasets]
    return Caption(
        "First two components",
        "P grey, the dataset coloured. Distances are measured in all components, so what overlaps in this plane may be apart "
        "in others.",
        "One panel of points for each dataset, P's images grey. The components kept hold between "
        f"{np.min(kept):.0f} and {np.max(kept):.0f} % of the variance.",
    )


def _thumbnails(comparison: Comparison) -> Caption:
    extremes = []
    for name, images in comparison.images.groupby("dataset", sort=False):
        ordered = images.sort_values(["i_dist_mean", "image"], kind="stable")["image"]
        extremes.append(f"{name}: nearest {ordered.iloc[0]}, farthest {ordered.iloc[-1]}")
    return Caption(
        "Closest and farthest images",
        "For each dataset its images closest to P (left) and farthest from it (right); under each its mean distance and its "
        "percentile among P's own images. Look here first: the far end shows what the backbone finds unlike P.",
        f"Rows of small photographs. {'; '.join(extremes)}.",
    )


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (from {interval[0]:.2f} to {interval[1]:.2f})"


_CAPTIONS = {
    "relative": _relative,
    "violin": _violin,
    "sorted_distances": _sorted_distances,
    "scatter": _scatter,
    "thumbnails": _thumbnails,
}
