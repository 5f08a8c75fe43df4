"""Draw estimated performance of datasets and sites, estimators' errors, probable failures, and certificates."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from howfar.errors import HowfarError, check_at_least
from howfar.figures import Caption, style
from howfar.figures.contact_sheets import Thumbnail, highest, square, thumbnail, unit_values
from howfar.figures.style import ForestRow, forest, frame_forest, report_figure
from howfar.formatting_and_escaping import format_estimate, format_interval, says_nothing
from howfar.results import Relation
from howfar.results.assessment_result import Assessment
from howfar.results.certificate_result import Certificate, Step

ESTIMATES_TITLE, SITES_TITLE = "Estimated mean performance", "What to expect of each site"
ERRORS_TITLE = "Estimators of performance, each judged on datasets left out"
FAILURES_TITLE = "Probable failures"
HALF = 0.17
HATCHED: Final[dict[str, Any]] = {"fc": style.GRID, "ec": style.MUTED, "hatch": "////"}
TRUTH: Final[dict[str, Any]] = {"ms": 7, "mfc": "none", "mec": style.INK, "ls": "none", "marker": "d", "zorder": 3}
MEAN = "mean"
KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "baseline": (style.PRIMARY, "D", "predicting the mean"),
    "distance": (style.COLOURS[1], "o", "distance"),
    "confidence": (style.COLOURS[0], "s", "confidence"),
    "agreement": (style.COLOURS[2], "^", "agreement"),
    "combined": (style.COLOURS[3], "v", "combined"),
    "other": (style.COLOURS[4], "P", "other"),
}
"""Colour, marker and plain name of each kind of estimators; "other" stands for those of other packages."""
PAIR, STEP, ROW_STEP = 2.04, 2.20, 1.72
# On grey surfaces and on coloured photographs alike it can be told from what it covers, by colour-blind readers too.
OVERLAY = (255, 64, 160)
DIM = 0.75
_SIZE = (6.5, 3.0)


def _estimates_caption(relation: Relation) -> Caption:
    values, labelled = [], sum(estimate.measured is not None for estimate in relation.estimates)
    for estimate in relation.estimates:
        measured = "not measured" if estimate.measured is None else f"measured {estimate.measured:.2f}"
        interval = f"from {estimate.low:.2f} to {estimate.high:.2f}"
        values.append(f"{estimate.dataset} {estimate.predicted:.2f} ({interval}), {measured}")
    diamonds = ", and the measured one as a diamond where it is known" if labelled else ""
    return Caption(
        ESTIMATES_TITLE,
        f"Each dataset's mean performance as estimated without its labels, with its interval{diamonds}; at the right "
        f"the numbers and the level of the interval.",
        f"Dots with intervals, one row a dataset: {'; '.join(values)}.",
    )


@dataclass(frozen=True)
class ExpectedRow(ForestRow):
    """Hold a dataset's estimate as a row, its measured value if known, and whether it lies outside the gate."""

    measured: float | None = None
    outside: bool = False


@report_figure(_estimates_caption, shows=lambda relation: bool(relation.estimates), phone=True)
def estimates(relation: Relation, *, limit: int = 30) -> Figure:
    """Draw each dataset's predicted mean performance with its interval, and the measured mean if known.

    Dots and bars are estimates made without the dataset's own labels, diamonds what was measured.
    """
    shown, left_out = style.first(relation.estimates, limit)
    if not shown:
        return style.nothing(ESTIMATES_TITLE, "no estimates: they take at least two datasets with performances")
    look_of = style.looks(relation)
    rows = []
    for row in shown:
        other = "" if row.estimator == relation.estimator else f"\nby {style.name_text(row.estimator)}"
        text = f"{format_estimate(row.predicted, row.low, row.high)}  {100 * row.level:.0f} %{other}"
        gate, ends = relation.gate(row.dataset), (row.predicted, row.low, row.high)
        outside = gate is not None and gate.inside is False
        own = look_of[row.dataset]
        rows.append(ExpectedRow(row.dataset, *ends, own, text, measured=row.measured, outside=outside))
    usual = style.name_text(relation.estimator or shown[0].estimator)
    title = f"{ESTIMATES_TITLE}, by “{usual}”: {style.name_text(relation.metric, 40)}"
    return _expectations(rows, title, "mean performance", "estimate [interval]  level", left_out)


def _expectations(rows: Sequence[ExpectedRow], title: str, axis: str, heading: str, note: str) -> Figure:
    """Draw expected and measured values on the scale of 0 to 1; a line stands above the first measured row of several."""
    figure, (axes,) = style.side_by_side(1.5 + 0.36 * len(rows), 1, rows=len(rows))
    forest(axes, [replace(row, low=None, high=None) for row in rows], width=0)
    for place, row in enumerate(rows):
        if row.low is not None and row.high is not None:
            unhatched: dict[str, Any] = {"fc": row.look.colour, "ec": "none", "alpha": 0.45}
            keywords = HATCHED if row.outside else unhatched
            axes.barh(place, row.high - row.low, 2 * HALF, row.low, label=f"ci:{row.name}", **keywords)
        if row.measured is not None:
            axes.plot([row.measured], [place], label=f"measured:{row.name}", clip_on=False, **TRUTH)
    asked = sum(row.measured is None for row in rows)
    ordered = all(row.measured is None for row in rows[:asked])
    frame_forest(axes, [style.name_text(row.name, 22) for row in rows], [asked] if ordered and 0 < asked < len(rows) else ())
    axes.set(xlim=(-0.03, 1.03), xlabel=axis, title=" ")
    style.head_numbers(axes, heading)
    dot: dict[str, Any] = {"color": style.MUTED, "marker": "o", "ms": 7, "mec": style.PAPER, "lw": 3}
    handles: list[Any] = [Line2D([], [], label="expected without the site's labels", **dot)]
    if any(row.outside for row in rows):
        handles.append(Patch(label="outside the gate", **HATCHED))
    if any(row.measured is not None for row in rows):
        handles.append(Line2D([], [], label="measured", **TRUTH))
    style.name_legend(figure, handles, 3)
    return style.head(figure, title, note)


def _sites_caption(assessment: Assessment) -> Caption:
    corrupted = sum(row.origin == "corrupted" for row in assessment.labelled)
    without = f" The {corrupted} corrupted versions of the primary's images are not shown." if corrupted else ""
    unsure = any(says_nothing(site.low, site.high) for site in assessment.sites)
    wide = " Intervals wider than 0.5 have no numbers." if unsure else ""
    values = []
    for site in assessment.ordered():
        place = ", outside the gate" if site.inside is False else ""
        measured = "" if site.measured is None else f", measured {site.measured:.2f}"
        ends = f"{site.estimate:.2f} (from {site.low:.2f} to {site.high:.2f})" if site.estimate is not None else ""
        values.append(f"{site.dataset} {f'{ends}{place}{measured}' if ends else 'without an estimate'}")
    return Caption(
        SITES_TITLE,
        f"Expected {assessment.performance_name} with its interval. Below the line are the labelled sites, each estimated from "
        f"the others: a diamond inside the bar means that the interval was right.{wide}{without}",
        f"Intervals, one row a site: {'; '.join(values)}.",
    )


@report_figure(_sites_caption, shows=lambda assessment: any(site.estimate is not None for site in assessment.sites), phone=True)
def sites(assessment: Assessment, *, limit: int = 24) -> Figure:
    """Draw each site's expected mean performance with its interval, then labelled sites with their measured values.

    Sites outside the gate are hatched. Labelled sites are estimated without their labels; their diamond is the truth.
    """
    shown, left_out = style.first([site for site in assessment.ordered() if site.estimate is not None], limit)
    if not shown:
        return style.nothing(SITES_TITLE, "no site could be estimated")
    look_of = {site.dataset: style.look(place) for place, site in enumerate(assessment.sites)}
    rows = []
    for site in shown:
        measured = "" if site.measured is None else f", measured {site.measured:.2f}"
        text = f"{site.expected()}{measured}"
        ends, own = (site.estimate, site.low, site.high), look_of[site.dataset]
        rows.append(ExpectedRow(site.dataset, *ends, own, text, measured=site.measured, outside=site.inside is False))
    axis = f"{assessment.performance_name}, mean over a site's images"
    title = f"{SITES_TITLE}: {style.name_text(assessment.metric, 48)}"
    return _expectations(rows, title, axis, f"expected, {100 * shown[0].level:.0f} %", left_out)


def _errors_caption(relation: Relation) -> Caption:
    values = [f"{row.estimator} {row.mae_image:.3f} and {row.mae_set:.3f}" for row in relation.judgements]
    return Caption(
        "Estimators judged on datasets left out",
        "Mean absolute error of an image's performance (filled) and of a dataset's mean (hollow). Vertical lines: predicting "
        "the mean of the other datasets; right of its line an estimator is worse than looking at no image at all.",
        f"Dots, one row an estimator. Errors of an image and of a dataset's mean: {'; '.join(values)}.",
    )


@report_figure(_errors_caption, shows=lambda relation: bool(relation.judgements), phone=True)
def judgements(relation: Relation) -> Figure:
    """Draw each estimator's mean absolute error per image (filled) and per set mean (hollow).

    Each labelled dataset is estimated from the others. The vertical lines are the errors of predicting the mean of the
    other datasets for everything. The estimator in use is named in bold.
    """
    shown = relation.judgements
    if not shown:
        return style.nothing(ERRORS_TITLE, "no estimator could be judged: that takes at least two datasets with performances")
    figure, (errors,) = style.side_by_side(1.75 + 0.31 * len(shown), 1, rows=len(shown))
    kinds = [judgement.kind if judgement.kind in KINDS else "other" for judgement in shown]
    for position, (judgement, kind) in enumerate(zip(shown, kinds, strict=True)):
        colour, marker, _ = KINDS[kind]
        ends = [judgement.mae_image, judgement.mae_set]
        errors.plot(ends, [position] * 2, color=colour, lw=1, alpha=0.6, label="_join")
        dot: dict[str, Any] = {"marker": marker, "ls": "none", "mec": colour, "mew": 1.3, "zorder": 2.5}
        errors.plot(ends[1:], [position], ms=6.5, mfc=style.PAPER, label=f"set:{judgement.estimator}", **dot)
        errors.plot(ends[:1], [position], ms=6.5, mfc=colour, label=f"image:{judgement.estimator}", **dot)
    for judgement in shown:
        if judgement.estimator == MEAN:
            errors.axvline(judgement.mae_image, color=style.MUTED, lw=1.3, ls=(0, (4, 2)), label="_mean_image")
            errors.axvline(judgement.mae_set, color=style.MUTED, lw=1.3, ls=(0, (1.2, 1.6)), label="_mean_set")
    names = [style.name_text(judgement.estimator) for judgement in shown]
    for label, judgement in zip(frame_forest(errors, names), shown, strict=True):
        label.set_fontweight("bold" if judgement.estimator == relation.estimator else "normal")
    most = max(0.01, *(max(judgement.mae_image, judgement.mae_set) for judgement in shown))
    errors.set(xlim=(0, 1.08 * most), xlabel="mean absolute error")
    seen = [look for name, look in KINDS.items() if name in kinds]
    handles = [Line2D([], [], marker=marker, color=colour, ms=6.5, ls="none", label=name) for colour, marker, name in seen]
    both: dict[str, Any] = {"marker": "o", "ls": "none", "ms": 6.5, "mec": style.INK}
    handles += [
        Line2D([], [], mfc=style.INK, **both, label="of an image"),
        Line2D([], [], mfc=style.PAPER, **both, label="of a set's mean"),
        Line2D([], [], color=style.MUTED, lw=1.3, ls=(0, (4, 2)), label="the mean's, of an image"),
        Line2D([], [], color=style.MUTED, lw=1.3, ls=(0, (1.2, 1.6)), label="the mean's, of a set's mean"),
    ]
    style.name_legend(figure, handles, 5, columnspacing=1.4)
    sets = f"{shown[0].sets} dataset{'' if shown[0].sets == 1 else 's'}, {shown[0].images:,} images"
    return style.head(figure, ERRORS_TITLE, f"{style.name_text(relation.metric, 40)}; {sets}")


def _failures_caption(relation: Relation) -> Caption:
    listed = [row.dataset for row in relation.failures if row.listed]
    values = [f"{dataset}: {relation.probable_failures(dataset)['image'].iloc[0]}" for dataset in listed]
    return Caption(
        FAILURES_TITLE,
        "The listed images with the lowest estimates, each beside its prediction in colour (no colour: nothing predicted).",
        f"Rows of small photographs. The lowest estimates: {'; '.join(values)}.",
    )


@report_figure(
    _failures_caption,
    shows=lambda relation: (relation.images["listed"].astype(bool) & relation.images["path"].astype(bool)).any(),
    vector=False,
    phone=True,
)
def failures(relation: Relation, *, k: int = 4, limit: int = 12) -> Figure:
    """Draw, for each dataset, the k listed images with the lowest estimates, and the prediction of each.

    The prediction is drawn over a pale grey copy of the image, the more opaque the higher the probability. Under each: the
    estimate with its interval, and the measured performance where it is known.
    """
    check_at_least(1, k=k)
    k = style.on_phone(min(k, 2), k)
    shown, left_out = style.first([row for row in relation.failures if row.listed], limit)
    if not shown:
        return style.nothing(FAILURES_TITLE, "no image is listed as a probable failure")
    doubted = relation.doubted_sets()
    figure, axes = style.picture_sheet((k - 1) * STEP + PAIR, ROW_STEP * len(shown), left=-0.01)
    for line, row in enumerate(shown):
        top, trust = line * ROW_STEP, ", outside the gate: not to be trusted" if row.dataset in doubted else ""
        counts = f"{row.listed:,} of {row.n:,} listed{trust}"
        style.row_title(axes, top + 0.20, f"{style.name_text(row.dataset, 40)}  ({counts})")
        for position, record in enumerate(relation.probable_failures(row.dataset).head(k).to_dict("records")):
            _pair(axes, record, position * STEP, top + 0.26)
    note = "The lowest estimates first. Under each: estimate [interval] · measured score, where it is known"
    return style.head(figure, f"Images that probably score below {shown[0].tau:g}", f"{left_out} {note}")


def overlay(photograph: NDArray[np.uint8], path: str) -> Thumbnail:
    """Draw a prediction over a pale grey copy of its photograph; without a prediction, return the reason.

    Each pixel is the highest that it covers, so that thin lines stay.
    """
    from howfar.data.prediction_maps import read_prediction

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


def _pair(axes: Axes, record: Mapping[Hashable, Any], left: float, top: float) -> None:
    """Draw an image and its prediction in unit squares with the upper left corner (left, top), and numbers below."""
    name = str(record["image"])
    # Where there is no file the path is no text.
    path, prediction = (str(record[key]) if isinstance(record[key], str) else "" for key in ("path", "prediction"))
    picture = thumbnail(path)
    square(axes, picture, name, left, top)
    beside = Thumbnail(None, "no image") if picture.pixels is None else overlay(picture.pixels, prediction)
    square(axes, beside, f"prediction:{name}", left + 1.04, top)
    columns = ("estimate", "estimate_low", "estimate_high", "performance")
    estimate, low, high, measured = (float(record[column]) for column in columns)
    interval = "" if np.isnan(low) or np.isnan(high) else f" [{low:.2f}, {high:.2f}]"
    performance = "" if np.isnan(measured) else f" · {measured:.2f}"
    middle = left + PAIR / 2
    style.words_below(axes, middle, top + 1.04, f"{estimate:.2f}{interval}{performance}", 8)
    style.words_below(axes, middle, top + 1.22, style.name_text(name.rsplit("/", 1)[-1], 30), 7, style.MUTED)


def _known(certificate: Certificate) -> list[Step]:
    return [step for step in certificate.steps if step.value is not None and step.low is not None]


def _steps_caption(certificate: Certificate) -> Caption:
    last = _known(certificate)[-1]
    return Caption(
        "The interval as labels come in",
        f"Estimate (line) and {100 * certificate.level:g} % interval (band) after each label, in the order of the draw. "
        + ("The dashed line is what was asked. " if _asked(certificate) is not None else "")
        + ("The band holds at every look." if certificate.anytime else "Each band holds for one look."),
        f"After {last.labelled} labels {format_interval(last.value, last.low, last.high, '.3f')}.",
    )


@report_figure(_steps_caption, shows=lambda certificate: len(_known(certificate)) > 1, phone=True)
def certificate_steps(certificate: Certificate) -> Figure:
    """Draw the estimate and its interval after each label, and the level in question."""
    steps = _known(certificate)
    labels = [step.labelled for step in steps]
    figure = style.blank(*_SIZE)
    axes = figure.add_subplot()
    low, value, high = (np.array([getattr(step, name) for step in steps], float) for name in ("low", "value", "high"))
    axes.fill_between(labels, low, high, color=style.COLOURS[0], alpha=0.2, linewidth=0)
    axes.plot(labels, value, color=style.COLOURS[0], marker="o", markersize=3, clip_on=False)
    asked = _asked(certificate)
    if asked is not None:
        axes.axhline(asked, color=style.COLOURS[1], linestyle="--", linewidth=1)
    performance, least = ("performance", 0) if certificate.against is None else ("difference", -1)
    axes.set(ylim=(least, 1), xlabel="labels", ylabel="share" if certificate.of_false_positives else performance)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, axis="both")
    return figure


def _sample_caption(certificate: Certificate) -> Caption:
    known = _pairs(certificate)
    worse = sum(measured < predicted for predicted, measured in known)
    return Caption(
        "Predicted and measured",
        f"Each labelled image by its predicted performance ({certificate.proxy}) and by what its label shows. On the line both "
        "are the same; ticks at the bottom are the predictions of all images of the site.",
        f"Of {len(known)} images {worse} did worse than predicted.",
    )


# What is predicted is performance, which false positives are not.
@report_figure(
    _sample_caption,
    shows=lambda certificate: (
        len(_pairs(certificate)) > 1 and not certificate.of_false_positives and certificate.against is None
    ),
    phone=True,
)
def certificate_sample(certificate: Certificate) -> Figure:
    """Draw predicted against measured performance of the labelled images."""
    predicted, measured = np.array(_pairs(certificate)).T
    figure = style.blank(*_SIZE)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=style.PRIMARY, linewidth=0.8)
    proxies = [proxy for proxy in certificate.site.proxies if proxy is not None]
    axes.plot(proxies, np.zeros(len(proxies)), "|", color=style.MUTED, alpha=0.35, markersize=7, clip_on=False)
    axes.plot(predicted, measured, "o", color=style.COLOURS[0], mec=style.INK, mew=0.4, ms=5)
    style.unit_plane(axes)
    axes.set(xlabel="predicted", ylabel="measured")
    return figure


def _pairs(certificate: Certificate) -> list[tuple[float, float]]:
    return [(one.proxy, one.performance) for one in certificate.sample if one.proxy is not None and one.performance is not None]


def _asked(certificate: Certificate) -> float | None:
    """Return the performance in question; None if the question was a width, or there was none."""
    if certificate.until is None or ">=" not in certificate.until:
        return None
    return float(certificate.until.rpartition(">=")[2])
