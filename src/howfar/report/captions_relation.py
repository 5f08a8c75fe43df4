"""What stands under each figure of performance, and what stands for it where it cannot be seen."""

from __future__ import annotations

from howfar.figures.failures import lowest
from howfar.figures.sets import signed
from howfar.report.captions import Caption
from howfar.report.words import share
from howfar.report.words_performance import KINDS
from howfar.results import DatasetRelation, Part, Relation


def caption(name: str, relation: Relation) -> Caption:
    """The caption of one of the report's figures of a relation.

    Parameters
    ----------
    name
        "performance", "parts", "thresholds", "estimates", "judgements" or "failures".
    relation
        The result that the figure shows.
    """
    return _CAPTIONS[name](relation)


def _performance(relation: Relation) -> Caption:
    values = [f"{one.name} {KINDS[one.verdict.kind]}{_slope(one)}" for one in relation.datasets]
    crosses = ", crosses those listed as probable failures" if relation.images["listed"].any() else ""
    return Caption(
        "Performance by distance",
        "One panel a dataset, its distances scaled from 0 (its nearest image) to 1 (its farthest). Faint marks are "
        f"images{crosses}; the line is the centred moving average over a tenth of them, the thin level their mean, the dashed "
        f"one τ = {relation.settings.tau:g}. Where marks are few, as at the right end, the line follows single images.",
        f"Panels of points with a curve each. {'; '.join(values)}.",
    )


def _parts(relation: Relation) -> Caption:
    values = [f"{one.name} {_ends(one.halves)} by halves, {_ends(one.thirds)} by thirds" for one in relation.datasets]
    return Caption(
        "Near and far parts",
        "Performance of each dataset's halves and thirds by distance; arrows point from the nearest part to the farthest. "
        "Filled: at the threshold that all images share; hollow, as in the paper: re-tuned in the part, which looks at its "
        "labels and so flatters every part.",
        f"Arrows along one axis, nearest to farthest part at the common threshold: {'; '.join(values)}.",
    )


def _thresholds(relation: Relation) -> Caption:
    values = [
        f"{one.name} {one.ods:.3f} at {one.ods_threshold:.2f}"
        for one in relation.datasets
        if one.ods is not None and one.ods_threshold is not None
    ]
    line = "" if relation.settings.threshold is None else " The dashed line is the threshold that all images share."
    return Caption(
        "Performance by threshold",
        "Left, F of each dataset's summed counts at every threshold; dots mark its best (ODS), which looks at its labels."
        f"{line} Right, precision against recall; along a grey curve F is the same.",
        f"Two panels of curves, one for each dataset. Best F: {'; '.join(values)}.",
    )


def _judgements(relation: Relation) -> Caption:
    values = [f"{one.estimator} {one.mae_image:.3f} and {one.mae_set:.3f}" for one in relation.judgements]
    return Caption(
        "Estimators judged on datasets left out",
        "Mean absolute error of an image's performance (filled) and of a dataset's mean (hollow). Vertical lines: predicting "
        "the mean of the other datasets; right of its line an estimator is worse than looking at no image at all. Right panel: "
        f"how many image intervals held, of which {share(relation.settings.level)} should.",
        f"Dots, one row an estimator. Errors of an image and of a dataset's mean: {'; '.join(values)}.",
    )


def _estimates(relation: Relation) -> Caption:
    values = []
    for one in relation.estimates:
        measured = "not measured" if one.measured is None else f"measured {one.measured:.2f}"
        values.append(f"{one.dataset} {one.predicted:.2f} (from {one.low:.2f} to {one.high:.2f}), {measured}")
    plane = " Right: both against each other; on the diagonal they are equal." if _measured(relation) > 1 else ""
    diamonds = ", and the measured one as a diamond where it is known" if _measured(relation) else ""
    return Caption(
        "Estimated mean performance",
        f"Each dataset's mean performance as estimated without its labels, with its conformal interval{diamonds}; at the right "
        f"the numbers and the level of the interval.{plane}",
        f"Dots with intervals, one row a dataset: {'; '.join(values)}.",
    )


def _failures(relation: Relation) -> Caption:
    shown = [one for one in relation.failures if one.listed]
    values = [f"{one.dataset}: {lowest(relation.images, one.dataset, 1)['image'].iloc[0]}" for one in shown]
    return Caption(
        "Probable failures",
        "The listed images with the lowest estimates: the image, and beside it the prediction in colour over a pale copy. "
        "Under each the estimate with its interval, and the measured performance where it is known.",
        f"Rows of small photographs. The lowest estimates: {'; '.join(values)}.",
    )


def _measured(relation: Relation) -> int:
    return sum(one.measured is not None for one in relation.estimates)


def _slope(one: DatasetRelation) -> str:
    slope = None if one.trend is None else one.trend.slope
    if slope is None or slope.value is None:
        return ""
    interval = "" if slope.low is None or slope.high is None else f" (from {signed(slope.low)} to {signed(slope.high)})"
    return f", slope {signed(slope.value)}{interval}"


def _ends(parts: tuple[Part, ...]) -> str:
    near, far = (parts[0].performance_common, parts[-1].performance_common) if parts else (None, None)
    return "undefined" if near is None or far is None else f"{near:.2f} to {far:.2f}"


_CAPTIONS = {
    "performance": _performance,
    "parts": _parts,
    "thresholds": _thresholds,
    "estimates": _estimates,
    "judgements": _judgements,
    "failures": _failures,
}
