"""Draw F of datasets and images before and after adaptation (figs. 4-7 and 14-17 of the paper)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from howfar.figures import Caption, registered, style
from howfar.figures import adaptation_style as adapted
from howfar.figures.performance_figures import FEWEST
from howfar.relation.performance_by_distance import curve
from howfar.results.adaptation_result import ALL, BASELINE, F_ODS, F_OWN, Adaptation
from howfar.results.records import matching

BARS_TITLE, BARS_BACKGROUND = "before and after adaptation", "with and without background images"
ROOM = 0.84


class Bar(NamedTuple):
    """Hold a score's mean over the seeds, and the lowest and highest values."""

    mean: float
    low: float
    high: float


Bars: TypeAlias = dict[tuple[str, str, str], Bar]
"""Scores by segmenter, model and dataset."""


SCORES: Mapping[adapted.Measure, tuple[str, str, str]] = {
    "f_ods": ("ods", "ODS", "ODS: F of the dataset at the threshold that is best for it"),
    "f": ("mean_f", "Mean F", "mean F of the images, each model at its own threshold"),
}
"""Column of ``adaptation.scores`` that bars show, its name, and the label of the axis."""


def bars_caption(result: Adaptation, background: bool = False) -> Caption:
    """Return the caption for bars of M and the adapted models, or of the models without and with background."""
    chosen = adapted.strategy_of(result)
    models = adapted.by_background(result, chosen) if background else [BASELINE, *adapted.by_shots(result, chosen)]
    which = "the same with background images (B)" if background else f"the models that learnt from images chosen by {chosen}"
    panels = "One panel a segmenter: " if len(result.segmenters) > 1 else ""
    hollow = (
        " Hollow: as many images drawn at random."
        if {adapted.RANDOM} < set(adapted.strategies(result)) and not background
        else ""
    )
    seeds = adapted.seeds_of(result, models)
    over = f" Bars are means over {len(seeds)} seeds, lines reach from the lowest to the highest." if len(seeds) > 1 else ""
    return Caption(
        f"ODS by dataset, {BARS_BACKGROUND if background else BARS_TITLE}",
        f"{panels}{models[0]}, and {which}, as in fig. {17 if background else 7} of the paper. "
        f"{adapted.as_called(models)}{hollow}{over} ODS is F of the dataset's summed counts at the threshold that is best for "
        f"it, {adapted.AS_IN_PAPER}. {adapted.CAUTION}.",
        f"Bars of mean ODS over the secondaries: {'; '.join(_means(result, models, seeds))}.",
    )


def _means(result: Adaptation, models: list[str], seeds: list[int]) -> Iterator[str]:
    bars, whole = ranges(result, models, seeds, "ods"), _whole(result)
    for name in result.segmenters:
        values = [f"{model} {bars[name, model, whole].mean:.3f}" for model in models if (name, model, whole) in bars]
        yield f"{name} {', '.join(values) or 'none'}"


def _whole(result: Adaptation) -> str:
    """Return the name for all secondaries together, or the only secondary."""
    return ALL if len(result.secondaries) > 1 else result.secondaries[0]


def is_scored(result: Adaptation) -> bool:
    """Return whether any image of a study has an F."""
    return bool(adapted.scored(result))


def has_background(result: Adaptation) -> bool:
    """Return whether the study has models with background images, and the same model without."""
    return is_scored(result) and bool(adapted.by_background(result, adapted.strategy_of(result)))


@registered(partial(bars_caption, background=True), shows=has_background, phone=True)
def adaptation_bars_background(
    result: Adaptation, *, strategy: str | None = None, limit: int = 24, measure: adapted.Measure = "f_ods"
) -> Figure:
    """Draw bars of the most-shots model without and with background images."""
    return adaptation_bars(result, strategy=strategy, background=True, limit=limit, measure=measure)


BARS_COLUMNS = 3


@registered(bars_caption, shows=is_scored, phone=True)
def adaptation_bars(
    result: Adaptation,
    *,
    strategy: str | None = None,
    background: bool = False,
    limit: int = 24,
    measure: adapted.Measure = "f_ods",
) -> Figure:
    """Draw F of each dataset's unseen images, a bar per model and a panel per segmenter, on one scale.

    After figs. 7 and 17 of Achara & Pandey: with the ODS, whose threshold looks at the dataset's labels (`measure` "f_ods"), or
    with mean F at each model's own threshold ("f"). Bars are means over the seeds in which all models shown were trained, lines
    their range; random's models are hollow. With `background`, the models with background images stand in place of M's.
    """
    adapted.check_measure(measure)
    chosen, (column, score, axis) = adapted.strategy_of(result, strategy), SCORES[measure]
    title = f"{score}, {BARS_BACKGROUND if background else BARS_TITLE}"
    models = adapted.by_background(result, chosen) if background else beside_random(result, chosen)
    datasets = adapted.scored(result)
    if not models or not datasets:
        return style.nothing(title, f"no model of {chosen} learnt from background images" if datasets else "no image has an F")
    shown, left_out = style.first(datasets, limit)
    groups = [*shown, *([ALL] if len(result.secondaries) > 1 else [])]
    seeds, faces, several = adapted.seeds_of(result, models), bar_faces(result, models, chosen), len(result.segmenters) > 1
    bars = ranges(result, models, seeds, column)
    own_models = {*adapted.by_shots(result, chosen), *adapted.by_background(result, chosen)}
    ends, whole = (models[0], [model for model in models if model in own_models][-1]), _whole(result)
    with style.drawing():
        height = (max(0.17 * len(models), 0.36) + 0.16) * len(groups) + (0.45 if several else 0)
        figure, panels, _ = style.panel_grid(len(result.segmenters), BARS_COLUMNS, lambda lines: 1.25 + height * lines)
        for axes, name in zip(panels, result.segmenters, strict=True):
            for position, dataset in enumerate(groups):
                draw_group(axes, position, dataset, {model: bars.get((name, model, dataset)) for model in faces}, faces)
            style.name_rows(axes, [group_name(result, dataset) for dataset in groups])
            axes.set_ylim(len(groups) - 0.5, -0.5)
            axes.set_xlim(0, min(max(bar.high for bar in bars.values()) * 1.1 + 0.02, 1.08))
            axes.set_xlabel(score if several else axis)
            if several:
                means = [f"{model} {bars[name, model, whole].mean:.3f}" for model in ends if (name, model, whole) in bars]
                style.head_panel(axes, name, " → ".join(means))
        handles = [Patch(**face, label=model) for model, face in faces.items()]
        style.name_legend(figure, handles, min(len(handles), 7), columnspacing=1.6)
        whisker = "; lines: lowest to highest seed" if len(seeds) > 1 else ""
        note = adapted.study_note(result, f"; images chosen by {chosen}; {adapted.seeds_text(seeds)}{whisker}. {left_out}")
        style.head(figure, title, note.strip())
    return figure


def ranges(adaptation: Adaptation, models: Sequence[str], seeds: Sequence[int], column: str = "mean_f") -> Bars:
    """Compute a score's range by segmenter, model and dataset over these seeds.

    The dataset "all" is the mean over the secondaries in each seed.
    """
    scores = adaptation.scores[adaptation.scores["model"].isin(models) & adaptation.scores["seed"].isin(seeds)]
    scores = scores[scores[column].notna()].astype({column: "float64"})
    pooled = scores[scores["dataset"].isin(adaptation.secondaries)]
    pooled = pooled.groupby(["segmenter", "model", "seed"], sort=False)[column].mean().reset_index().assign(dataset=ALL)
    by_model = pd.concat([scores, pooled]).groupby(["segmenter", "model", "dataset"], sort=False)[column]
    spans = by_model.agg(["mean", "min", "max"])
    return {key: Bar(*row) for key, row in zip(spans.index.tolist(), spans.to_numpy().tolist(), strict=True)}


def beside_random(adaptation: Adaptation, strategy: str) -> list[str]:
    """List the unadapted model, then the strategy's and random's model for each number of shots."""
    models = adapted.arms(adaptation)
    models = models[(models["background"] == 0) & models["strategy"].isin([strategy, adapted.RANDOM])]
    own = models["strategy"] == strategy
    ordered = models.assign(rival=~own).sort_values(["shots", "rival"], kind="stable")
    return [BASELINE, *ordered.loc[ordered["shots"].isin(set(models.loc[own, "shots"])), "model"]]


def bar_faces(adaptation: Adaptation, models: list[str], strategy: str) -> dict[str, dict[str, Any]]:
    """Return each model's bar style; random's bars are hollow if another strategy is shown."""
    look_of, rivals = (
        adapted.looks(adaptation),
        set() if strategy == adapted.RANDOM else set(adapted.by_shots(adaptation, adapted.RANDOM)),
    )
    return {
        model: {
            "facecolor": style.PAPER if model in rivals else look_of[model].colour,
            "edgecolor": look_of[model].colour,
            "linewidth": 1.1,
        }
        for model in models
    }


def draw_group(
    axes: Axes, position: int, dataset: str, bars: Mapping[str, Bar | None], faces: Mapping[str, dict[str, Any]]
) -> None:
    """Draw all models' bars for a dataset in order around `position`, each with its number."""
    thick = ROOM / len(faces)
    for k, (model, face) in enumerate(faces.items()):
        bar = bars[model]
        if bar is None:
            continue
        at = position - ROOM / 2 + (k + 0.5) * thick
        axes.barh([at], [bar.mean], height=thick * 0.82, label=f"{model}:{dataset}", zorder=2.2, **face)
        if bar.high > bar.low:
            axes.plot([bar.low, bar.high], [at, at], color=style.INK, lw=1.2, zorder=2.5, label=f"range:{model}:{dataset}")
        number: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 7.5, "color": style.INK}
        axes.annotate(f"{bar.mean:.3f}", (bar.high, at), (4, 0), **number)


def group_name(adaptation: Adaptation, dataset: str) -> str:
    """Return the label of a group of bars: a dataset, marked if blind, or all secondaries."""
    if dataset == ALL:
        return f"all {len(adaptation.secondaries)} secondaries"
    return f"{style.name_text(dataset, 22)}{' (blind)' if dataset in adaptation.blind else ''}"


CURVES_COLUMNS = 2
CURVES_TITLE = "F by distance, before and after adaptation"
CURVES_BACKGROUND = "F by distance, with and without background images"
AXES: Mapping[adapted.Measure, str] = {
    "f_ods": "F at the dataset's best threshold",
    "f": "F at the model's own threshold",
}

_LINES = (
    "Lines are centred moving averages over a tenth of the images, at least ten; faint dots are images. F and distance of an "
    "image are means over seeds. Where a line is level, F does not go with distance."
)


def _curves_caption(adaptation: Adaptation, background: bool = False) -> Caption:
    panels = (
        "One panel a dataset, distances as M sees them, scaled from 0 (its nearest image) to 1 (its farthest); figs. 4 to 6"
    )
    if background:
        panels = "The same for the model with the most images, without and with background (B); figs. 14 to 16"
    threshold = f"F is at the threshold that is best for the dataset by that model, {adapted.AS_IN_PAPER}. {adapted.CAUTION}."
    if adapted.image_measure(adaptation) != F_ODS:
        own = "F is at the model's own threshold, and not at the dataset's best as in the paper"
        threshold = f"{own}: the study was written without that."
    return Caption(
        f"F by distance, {'with and without background' if background else 'before and after'}",
        f"{panels} of the paper. {threshold} {_LINES}",
        "Panels of curves, one for each model; the numbers are in the tables.",
    )


@registered(partial(_curves_caption, background=True), shows=has_background, phone=True)
def adaptation_curves_background(
    adaptation: Adaptation, *, strategy: str | None = None, limit: int = 24, measure: adapted.Measure | None = None
) -> Figure:
    """Draw curves of the most-shots model without and with background images."""
    return adaptation_curves(adaptation, strategy=strategy, background=True, limit=limit, measure=measure)


@registered(_curves_caption, shows=is_scored, phone=True)
def adaptation_curves(
    adaptation: Adaptation,
    *,
    strategy: str | None = None,
    background: bool = False,
    limit: int = 24,
    measure: adapted.Measure | None = None,
) -> Figure:
    """Draw F of unseen images against scaled I^dist, a line per model and a panel per segmenter and secondary.

    After figs. 4-6 and 14-16 of Achara & Pandey: with F at the threshold that is best for the dataset (`measure` "f_ods"),
    which looks at its labels, or at each model's own ("f"). The line is the centred moving average over a tenth of the
    images; F and distance of an image are means over the seeds in which all models shown were trained. Distance is scaled to
    0-1, as M sees it.
    """
    shown, left_out = style.first(adaptation.secondaries, limit)
    chosen, shows = adapted.strategy_of(adaptation, strategy), adapted.image_measure(adaptation, measure)
    models = adapted.by_background(adaptation, chosen) if background else [BASELINE, *adapted.by_shots(adaptation, chosen)]
    title = CURVES_BACKGROUND if background else CURVES_TITLE
    if background and not models:
        return style.nothing(title, f"no model of {chosen} learnt from background images")
    seeds = adapted.seeds_of(adaptation, models)
    points = averaged(adaptation.images, models, seeds, shows)
    look_of, places = adapted.looks(adaptation), list(product(adaptation.segmenters, shown))
    with style.drawing():
        figure, panels, columns = style.panel_grid(len(places), CURVES_COLUMNS, lambda lines: 1.3 + 2.75 * lines, narrow=5.6)
        for axes, key in zip(panels, places, strict=True):
            own = matching(points, segmenter=key[0], dataset=key[1])
            _panel(axes, adapted.row_name(adaptation, *key), own, {model: look_of[model] for model in models})
        style.unit_panels(panels, columns, f"scaled {style.I_DIST}, as M sees it")
        figure.supylabel(AXES[shows], fontsize=9.5)
        handles = [Line2D([], [], lw=2.1, color=look_of[model].colour, label=model) for model in models]
        handles.append(Line2D([], [], marker="o", ls="none", ms=4, mew=0, alpha=0.5, color=style.MUTED, label="an image"))
        style.name_legend(figure, handles, min(len(handles), 7), columnspacing=1.6)
        note = adapted.study_note(adaptation, f"; images chosen by {chosen}; {adapted.seeds_text(seeds)}. {left_out}")
        style.head(figure, title, note.strip())
    return figure


def averaged(images: pd.DataFrame, models: list[str], seeds: list[int], measure: adapted.Measure = "f") -> pd.DataFrame:
    """Average each image's F and distance by model over these seeds; images without either are left out. F becomes "f"."""
    rows = images[images["model"].isin(models) & images["seed"].isin(seeds)].assign(**{F_OWN: lambda rows: rows[measure]})
    rows = rows[rows["f"].notna() & rows["distance"].notna()]
    return rows.groupby(["segmenter", "model", "dataset", "image"], sort=False)[["distance", "f"]].mean().reset_index()


def _panel(axes: Axes, name: str, points: pd.DataFrame, look_of: dict[str, style.Look]) -> None:
    count = points["image"].nunique()
    for position, (model, look) in enumerate(look_of.items()):
        rows = points[points["model"] == model]
        window = max(FEWEST, rows["f"].notna().sum() // 10)
        order, x, smoothed = curve(rows["distance"], [str(image) for image in rows["image"]], rows["f"], window)
        # A point costs about a hundred bytes as vectors: the clouds alone are drawn as pixels.
        marks: dict[str, Any] = {"color": look.colour, "lw": 0, "rasterized": True, "clip_on": False, "zorder": 2.1}
        faint = float(np.clip(3.5 / max(count, 1) ** 0.5, 0.12, 0.5))
        axes.scatter(x, rows["f"].to_numpy()[order], s=9, alpha=faint, label=f"images:{model}", **marks)
        effects = [withStroke(linewidth=3.2, foreground=style.PAPER)]
        line: dict[str, Any] = {"color": look.colour, "lw": 1.9, "path_effects": effects, "zorder": 2.4 + 0.01 * position}
        if len(x) >= 2 * FEWEST:
            axes.plot(x, smoothed, label=model, solid_joinstyle="round", **line)
    if not count:
        axes.text(0.5, 0.5, "no image has an F", transform=axes.transAxes, ha="center", fontsize=8, color=style.MUTED)
    style.head_panel(axes, name, f"n = {count:,}")
