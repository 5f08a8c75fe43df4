"""Draw estimated performance of datasets and sites with intervals, estimators' errors, and probable failures."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from howfar.errors import HowfarError
from howfar.figures import Caption, registered
from howfar.figures.contact_sheets import Thumbnail, highest, square, thumbnail, unit_values
from howfar.figures.forest import ForestRow, forest, frame_forest
from howfar.figures.style import (
    COLOURS,
    GRID,
    INK,
    MUTED,
    PAPER,
    PRIMARY,
    WIDTH,
    Look,
    blank,
    drawing,
    first,
    head,
    head_numbers,
    look,
    looks,
    name_legend,
    name_text,
    nothing,
    picture_sheet,
    require_one,
)
from howfar.results import Failures, Judgement, Relation, SetEstimate
from howfar.results.assessment_result import Assessment, SiteAnswer
from howfar.wording import format_estimate, percentage_of

ESTIMATES_TITLE = "Estimated mean performance"
BAR: Final[dict[str, Any]] = {"alpha": 0.55, "solid_capstyle": "butt"}
DOT: Final[dict[str, Any]] = {"ms": 7, "mec": PAPER, "mew": 1, "ls": "none"}


def _estimates_caption(relation: Relation) -> Caption:
    values, labelled = [], sum(estimate.measured is not None for estimate in relation.estimates)
    for estimate in relation.estimates:
        measured = "not measured" if estimate.measured is None else f"measured {estimate.measured:.2f}"
        interval = f"from {estimate.low:.2f} to {estimate.high:.2f}"
        values.append(f"{estimate.dataset} {estimate.predicted:.2f} ({interval}), {measured}")
    plane = " Right: both against each other; on the diagonal they are equal." if labelled > 1 else ""
    diamonds = ", and the measured one as a diamond where it is known" if labelled else ""
    return Caption(
        ESTIMATES_TITLE,
        f"Each dataset's mean performance as estimated without its labels, with its interval{diamonds}; at the right "
        f"the numbers and the level of the interval.{plane}",
        f"Dots with intervals, one row a dataset: {'; '.join(values)}.",
    )


@registered(_estimates_caption, shows=lambda relation: bool(relation.estimates))
def estimates(relation: Relation, *, limit: int = 30) -> Figure:
    """Draw each dataset's predicted mean performance with its interval, and the measured mean if known.

    Left: dots and bars are estimates made without the dataset's own labels, diamonds what was measured. Right: estimate against
    measured value of the labelled datasets; on the diagonal they are equal.
    """
    shown, left_out = first(relation.estimates, limit)
    if not shown:
        return nothing(ESTIMATES_TITLE, "no estimates: they take at least two datasets with performances")
    look_of = looks(relation)
    measured = [estimate for estimate in shown if estimate.measured is not None]
    with drawing():
        figure = blank(WIDTH, max(1.5 + 0.36 * len(shown), 4.4 if len(measured) > 1 else 0))
        if len(measured) > 1:
            rows, plane = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
            _estimates_plane(plane, measured, look_of)
        else:
            rows = figure.add_subplot()
        forest(rows, (_estimate_row(row, look_of[row.dataset], relation.estimator) for row in shown), alpha=0.55)
        _measured(rows, [row.measured for row in shown], [row.dataset for row in shown])
        _unit_rows(rows, [row.dataset for row in shown], "mean performance", "estimate [interval]  level")
        _estimates_legend(figure, bool(measured))
        usual = name_text(relation.estimator or shown[0].estimator)
        head(figure, f"{ESTIMATES_TITLE}, by “{usual}”: {name_text(relation.metric, 40)}", left_out)
    return figure


def _estimate_row(estimate: SetEstimate, look: Look, usual: str | None) -> ForestRow:
    """Build a row with estimate, interval and level, and the estimator if it differs from the usual one."""
    other = "" if estimate.estimator == usual else f"\nby {name_text(estimate.estimator)}"
    value, low, high = estimate.predicted, estimate.low, estimate.high
    text = f"{format_estimate(value, low, high)}  {100 * estimate.level:.0f} %{other}"
    return ForestRow(estimate.dataset, value, low, high, look, text)


def _measured(axes: Axes, values: Sequence[float | None], names: Sequence[str]) -> None:
    """Draw a hollow diamond at each row's measured value, if known."""
    for position, (value, name) in enumerate(zip(values, names, strict=True)):
        if value is not None:
            axes.plot([value], [position], label=f"measured:{name}", **TRUTH)


def _unit_rows(axes: Axes, names: Sequence[str], label: str, numbers: str) -> None:
    """Name the rows, and set the axis to 0-1 with a heading above the numbers at its right."""
    frame_forest(axes, [name_text(name, 22) for name in names])
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel(label)
    axes.set_title(" ")
    head_numbers(axes, numbers)


def _estimates_plane(axes: Axes, measured: list[SetEstimate], look_of: dict[str, Look]) -> None:
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


def _estimates_legend(figure: Figure, measured: bool) -> None:
    handles = [Line2D([], [], color=MUTED, marker="o", ms=7, mec=PAPER, lw=3, label="estimated without the dataset's labels")]
    if measured:
        handles.append(Line2D([], [], marker="d", ms=7, mfc="none", mec=INK, ls="none", label="measured"))
    name_legend(figure, handles, 2)


SITES_TITLE = "What to expect of each site"
HALF = 0.17
TRUTH: Final[dict[str, Any]] = {"ms": 7, "mfc": "none", "mec": INK, "ls": "none", "marker": "d", "zorder": 3}


def _sites_caption(assessment: Assessment) -> Caption:
    corrupted = sum(row.origin == "corrupted" for row in assessment.labelled)
    without = f" The {corrupted} corrupted versions of the primary's images are not shown." if corrupted else ""
    values = [f"{site.dataset} {_spoken(site)}" for site in assessment.ordered()]
    return Caption(
        SITES_TITLE,
        f"Expected {assessment.performance_name} with its interval; hatched where nothing labelled is like the site, so that "
        "no estimate is to be believed. Below the line labelled sites, estimated from the others: the diamond is what was "
        "measured there, and shows "
        f"how far such intervals may be trusted.{without}",
        f"Intervals, one row a site: {'; '.join(values)}.",
    )


def _spoken(site: SiteAnswer) -> str:
    if site.estimate is None:
        return "without an estimate"
    place = ", outside the gate" if site.inside is False else ""
    measured = "" if site.measured is None else f", measured {site.measured:.2f}"
    return f"{site.estimate:.2f} (from {site.low:.2f} to {site.high:.2f}){place}{measured}"


@registered(_sites_caption, shows=lambda assessment: any(site.estimate is not None for site in assessment.sites))
def sites(assessment: Assessment, *, limit: int = 24) -> Figure:
    """Draw each site's expected mean performance with its interval, then labelled sites with their measured values.

    Sites outside the gate are hatched and grey. Labelled sites are estimated without their labels; their diamond is the truth.
    """
    shown, left_out = first([site for site in assessment.ordered() if site.estimate is not None], limit)
    if not shown:
        return nothing(SITES_TITLE, "no site could be estimated")
    look_of = {site.dataset: look(place) for place, site in enumerate(assessment.sites)}
    with drawing():
        figure = blank(WIDTH, 1.5 + 0.36 * len(shown))
        axes = figure.add_subplot()
        forest(axes, (_site_row(site, look_of[site.dataset]) for site in shown), width=0)
        for position, site in enumerate(shown):
            _site_bar(axes, site, position, look_of[site.dataset])
        _measured(axes, [site.measured for site in shown], [site.dataset for site in shown])
        asked = sum(site.measured is None for site in shown)
        if 0 < asked < len(shown):
            axes.axhline(asked - 0.5, color=MUTED, lw=0.8)
        expected = f"{assessment.performance_name}, mean over a site's images"
        _unit_rows(axes, [site.dataset for site in shown], expected, f"expected, {100 * shown[0].level:.0f} %")
        _sites_legend(figure, shown)
        head(figure, f"{SITES_TITLE}: {name_text(assessment.metric, 48)}", left_out)
    return figure


def _site_row(site: SiteAnswer, seen: Look) -> ForestRow:
    measured = "" if site.measured is None else f", measured {site.measured:.2f}"
    text = f"{format_estimate(site.estimate, site.low, site.high)}{measured}"
    if site.doubted:
        seen, text = replace(seen, colour=MUTED), "do not believe: outside"
    return ForestRow(site.dataset, site.estimate, None, None, seen, text)


def _site_bar(axes: Axes, site: SiteAnswer, position: int, seen: Look) -> None:
    """Draw the interval of a site, hatched if the estimate is doubted."""
    assert site.low is not None
    assert site.high is not None  # for the type checker: sites without an estimate are not drawn
    plain: dict[str, Any] = {"fc": seen.colour, "ec": "none", "alpha": 0.45}
    style = {"fc": GRID, "ec": MUTED, "hatch": "////"} if site.doubted else plain
    axes.barh(position, site.high - site.low, 2 * HALF, site.low, label=f"ci:{site.dataset}", **style)


def _sites_legend(figure: Figure, shown: list[SiteAnswer]) -> None:
    handles: list[Any] = [Line2D([], [], color=MUTED, marker="o", ms=7, mec=PAPER, lw=3, label="expected, with its interval")]
    if any(site.inside is False and site.measured is None for site in shown):
        handles.append(Patch(fc=GRID, ec=MUTED, hatch="////", label="outside the gate: not to be believed"))
    if any(site.measured is not None for site in shown):
        handles.append(Line2D([], [], label="measured", **TRUTH))
    name_legend(figure, handles, 3)


ERRORS_TITLE = "Estimators of performance, each judged on datasets left out"
MEAN = "mean"


class EstimatorStyle(NamedTuple):
    """Hold the colour, marker and plain name of a kind of estimators."""

    colour: str
    marker: str
    name: str


KINDS = {
    "baseline": EstimatorStyle(PRIMARY, "D", "predicting the mean"),
    "distance": EstimatorStyle(COLOURS[1], "o", "distance"),
    "confidence": EstimatorStyle(COLOURS[0], "s", "confidence"),
    "agreement": EstimatorStyle(COLOURS[2], "^", "agreement"),
    "combined": EstimatorStyle(COLOURS[3], "v", "combined"),
}
OTHER = EstimatorStyle(COLOURS[4], "P", "other")


def _errors_caption(relation: Relation) -> Caption:
    values = [f"{row.estimator} {row.mae_image:.3f} and {row.mae_set:.3f}" for row in relation.judgements]
    return Caption(
        "Estimators judged on datasets left out",
        "Mean absolute error of an image's performance (filled) and of a dataset's mean (hollow). Vertical lines: predicting "
        "the mean of the other datasets; right of its line an estimator is worse than looking at no image at all. Right panel: "
        f"how many image intervals held, of which {percentage_of(relation.settings.level)} should.",
        f"Dots, one row an estimator. Errors of an image and of a dataset's mean: {'; '.join(values)}.",
    )


@registered(_errors_caption, shows=lambda relation: bool(relation.judgements))
def judgements(relation: Relation) -> Figure:
    """Draw each estimator's mean absolute error per image (filled) and per set mean (hollow), and its coverage.

    Each labelled dataset is estimated from the others. The vertical lines are the errors of predicting the mean of the
    other datasets for everything. The estimator in use is named in bold.
    """
    shown = relation.judgements
    if not shown:
        return nothing(ERRORS_TITLE, "no estimator could be judged: that takes at least two datasets with performances")
    with drawing():
        figure = blank(WIDTH, 1.75 + 0.31 * len(shown))
        errors, cover = figure.subplots(1, 2, sharey=True, width_ratios=(2.3, 1.0))
        for position, judgement in enumerate(shown):
            _errors(errors, judgement, position)
            if judgement.coverage is not None:
                kind = KINDS.get(judgement.kind, OTHER)
                style: dict[str, Any] = {"marker": kind.marker, "ms": 6.5, "ls": "none", "color": kind.colour}
                cover.plot([judgement.coverage], [position], label=judgement.estimator, **style)
        for judgement in shown:
            if judgement.estimator == MEAN:
                errors.axvline(judgement.mae_image, color=MUTED, lw=1.3, ls=(0, (4, 2)), label="_mean_image")
                errors.axvline(judgement.mae_set, color=MUTED, lw=1.3, ls=(0, (1.2, 1.6)), label="_mean_set")
        cover.axvline(relation.settings.level, color=MUTED, lw=1.3, ls=(0, (4, 2)), label="_level")
        _errors_frame(errors, cover, relation)
        _errors_legend(figure, shown)
        sets = f"{shown[0].sets} datasets, {shown[0].images:,} images"
        head(figure, ERRORS_TITLE, f"{name_text(relation.metric, 40)}; {sets}")
    return figure


def _errors(axes: Axes, judgement: Judgement, position: int) -> None:
    kind = KINDS.get(judgement.kind, OTHER)
    style: dict[str, Any] = {"marker": kind.marker, "ls": "none", "mec": kind.colour, "mew": 1.3, "zorder": 2.5}
    axes.plot([judgement.mae_image, judgement.mae_set], [position] * 2, color=kind.colour, lw=1, alpha=0.6, label="_join")
    axes.plot([judgement.mae_set], [position], ms=6.5, mfc=PAPER, label=f"set:{judgement.estimator}", **style)
    axes.plot([judgement.mae_image], [position], ms=6.5, mfc=kind.colour, label=f"image:{judgement.estimator}", **style)


def _errors_frame(errors: Axes, cover: Axes, relation: Relation) -> None:
    shown = relation.judgements
    frame_forest(errors, [name_text(judgement.estimator) for judgement in shown])
    for label, judgement in zip(errors.get_yticklabels(), shown, strict=True):
        label.set_fontweight("bold" if judgement.estimator == relation.estimator else "normal")
    errors.set_xlim(0, 1.08 * max(0.01, *(max(judgement.mae_image, judgement.mae_set) for judgement in shown)))
    errors.set_xlabel("mean absolute error")
    cover.tick_params(axis="y", length=0)
    lowest = min([relation.settings.level, *(judgement.coverage for judgement in shown if judgement.coverage is not None)])
    cover.set_xlim(max(0.0, lowest - 0.08), 1.02)
    cover.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    cover.locator_params(axis="x", nbins=4)
    cover.set_xlabel(f"coverage (claimed: {100 * relation.settings.level:.0f} %)")


def _errors_legend(figure: Figure, shown: Sequence[Judgement]) -> None:
    names = {judgement.kind if judgement.kind in KINDS else "other" for judgement in shown}
    seen = [kind for name, kind in {**KINDS, "other": OTHER}.items() if name in names]
    handles = [Line2D([], [], marker=kind.marker, color=kind.colour, ms=6.5, ls="none", label=kind.name) for kind in seen]
    both: dict[str, Any] = {"marker": "o", "ls": "none", "ms": 6.5, "mec": INK}
    handles += [
        Line2D([], [], mfc=INK, **both, label="of an image"),
        Line2D([], [], mfc=PAPER, **both, label="of a set's mean"),
        Line2D([], [], color=MUTED, lw=1.3, ls=(0, (4, 2)), label="the mean's, of an image"),
        Line2D([], [], color=MUTED, lw=1.3, ls=(0, (1.2, 1.6)), label="the mean's, of a set's mean"),
    ]
    name_legend(figure, handles, 5, columnspacing=1.4)


FAILURES_TITLE = "Probable failures"
GAP = 0.16
PAIR = 2.04
STEP = PAIR + GAP
ROW_STEP = 1.72
# On grey surfaces and on coloured photographs alike it can be told from what it covers, by colour-blind readers too.
OVERLAY = (255, 64, 160)
DIM = 0.75


def _failures_caption(relation: Relation) -> Caption:
    listed = [row.dataset for row in relation.failures if row.listed]
    values = [f"{dataset}: {lowest(relation.images, dataset, 1)['image'].iloc[0]}" for dataset in listed]
    return Caption(
        FAILURES_TITLE,
        "The listed images with the lowest estimates: the image, and beside it the prediction in colour over a pale copy. "
        "Under each the estimate with its interval, and the measured performance where it is known.",
        f"Rows of small photographs. The lowest estimates: {'; '.join(values)}.",
    )


@registered(
    _failures_caption,
    shows=lambda relation: (relation.images["listed"].astype(bool) & relation.images["path"].astype(bool)).any(),
    vector=False,
)
def failures(relation: Relation, *, k: int = 4, limit: int = 12) -> Figure:
    """Draw each dataset's k listed images with the lowest estimates, each beside its prediction.

    The prediction is drawn over a pale grey copy of the image, the more opaque the higher the probability. Under each: the
    estimate with its interval, and the measured performance where it is known.
    """
    require_one("k", k)
    shown, left_out = first([row for row in relation.failures if row.listed], limit)
    if not shown:
        return nothing(FAILURES_TITLE, "no image is listed as a probable failure")
    with drawing():
        figure, axes = picture_sheet(k * STEP - GAP, ROW_STEP * len(shown), left=-0.01)
        for line, row in enumerate(shown):
            _line(axes, row, lowest(relation.images, row.dataset, k), line * ROW_STEP)
        note = "Under each: estimate [interval] · measured performance, where it is known"
        head(figure, f"{FAILURES_TITLE}: images that probably score below {shown[0].tau:g}", f"{left_out} {note}".strip())
    return figure


def lowest(images: pd.DataFrame, dataset: str, k: int) -> pd.DataFrame:
    """Return a dataset's k listed images with the lowest estimates, ascending; ties are ordered by name."""
    listed = images[(images["dataset"] == dataset) & images["listed"].astype(bool)]
    return listed.sort_values(["estimate", "image"], kind="stable").head(k)


def overlay(photograph: NDArray[np.uint8], path: str) -> Thumbnail:
    """Draw a prediction over a pale grey copy of its photograph; without a prediction, return the reason.

    Each pixel is the highest that it covers, so that thin lines stay.
    """
    from howfar.data.predictions import read_prediction

    if not path:
        return Thumbnail(None, "no prediction")
    if not Path(path).is_file():
        return Thumbnail(None, "prediction\nnot found")
    try:
        values = read_prediction(path).values
    except (HowfarError, OSError):
        return Thumbnail(None, "prediction\nunreadable")
    opacity = highest(unit_values(values), photograph.shape[0], photograph.shape[1])[..., None]
    grey = photograph.mean(axis=2, keepdims=True)
    ground = 255 - DIM * (255 - grey)
    mixed = (1 - opacity) * ground + opacity * np.asarray(OVERLAY)
    return Thumbnail(np.round(mixed).astype(np.uint8))


def _line(axes: Axes, row: Failures, images: pd.DataFrame, top: float) -> None:
    title: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "va": "bottom", "parse_math": False}
    counts = f"{row.listed:,} of {row.n:,} listed"
    axes.text(0, top + 0.20, f"{name_text(row.dataset, 40)}  ({counts})", **title)
    for position, record in enumerate(images.to_dict("records")):
        _cell(axes, record, position * STEP, top + 0.26)


def _cell(axes: Axes, record: Mapping[Hashable, Any], left: float, top: float) -> None:
    """Draw an image and its prediction in unit squares with the upper left corner (left, top), and numbers below."""
    name = str(record["image"])
    picture = thumbnail(_path(record["path"]))
    square(axes, picture, name, left, top)
    beside = Thumbnail(None, "no image") if picture.pixels is None else overlay(picture.pixels, _path(record["prediction"]))
    square(axes, beside, f"prediction:{name}", left + 1.04, top)
    middle = left + PAIR / 2
    text: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    axes.text(middle, top + 1.04, _numbers(record), fontsize=8, color=INK, **text)
    axes.text(middle, top + 1.22, name_text(name.rsplit("/", 1)[-1], 30), fontsize=7, color=MUTED, **text)


def _path(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _numbers(record: Mapping[Hashable, Any]) -> str:
    estimate, low, high, measured = (
        float(record[name]) for name in ("estimate", "estimate_low", "estimate_high", "performance")
    )
    interval = "" if np.isnan(low) or np.isnan(high) else f" [{low:.2f}, {high:.2f}]"
    performance = "" if np.isnan(measured) else f" · {measured:.2f}"
    return f"{estimate:.2f}{interval}{performance}"
