"""Draw the results of adaptation studies: F by dataset and image, gains, example predictions (figs. 4-9, 13-17)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from howfar.figures import Caption, contact_sheets, style
from howfar.figures import adaptation_models as adapted
from howfar.figures.contact_sheets import PictureBlock, PictureCell
from howfar.figures.performance_figures import FEWEST
from howfar.figures.style import ForestRow, forest, frame_forest, report_figure
from howfar.relation.performance_by_distance import curve
from howfar.results.adaptation_result import ALL, BASELINE, F_ODS, F_OWN, Adaptation
from howfar.results.display_and_shared_records import Interval, matching

BARS_TITLE, BARS_BACKGROUND = "before and after adaptation", "with and without background images"
GAINS_TITLE, ROWS_TITLE = "Gain of mean F", "What the models predict"
SUPPRESSION_TITLE = "False positives with and without background images"
ROOM = 0.84
FEWEST_COLUMNS = 7  # of pictures that there is room for: 144 pixels look coarse in larger ones
_TRUTH = 1


class Bar(NamedTuple):
    """Hold a score's mean over the seeds, and the lowest and highest values."""

    mean: float
    low: float
    high: float


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
    beside = {adapted.RANDOM} < set(adapted.strategies(result)) and not background
    hollow = " Hollow: as many images drawn at random." if beside else ""
    seeds, means = adapted.seeds_of(result, models), []
    bars, whole = ranges(result, models, seeds, "ods"), _whole(result)
    for name in result.segmenters:
        values = [f"{model} {bars[name, model, whole].mean:.3f}" for model in models if (name, model, whole) in bars]
        means.append(f"{name} {', '.join(values) or 'none'}")
    over = f" Bars are means over {len(seeds)} seeds, lines reach from the lowest to the highest." if len(seeds) > 1 else ""
    return Caption(
        f"ODS by dataset, {BARS_BACKGROUND if background else BARS_TITLE}",
        f"{panels}{models[0]}, and {which}, as in fig. {17 if background else 7} of the paper. "
        f"{adapted.as_called(models)}{hollow}{over} ODS is F of the dataset's summed counts at the threshold that is best for "
        f"it, {adapted.AS_IN_PAPER}. {adapted.CAUTION}.",
        f"Bars of mean ODS over the secondaries: {'; '.join(means)}.",
    )


def _whole(result: Adaptation) -> str:
    """Return the name for all secondaries together, or the only secondary."""
    return ALL if len(result.secondaries) > 1 else result.secondaries[0]


def has_background(result: Adaptation) -> bool:
    """Return whether the study has models with background images, and the same model without."""
    return bool(adapted.scored(result)) and bool(adapted.by_background(result, adapted.strategy_of(result)))


@report_figure(partial(bars_caption, background=True), shows=has_background, phone=True)
def adaptation_bars_background(
    result: Adaptation, *, strategy: str | None = None, limit: int = 24, measure: adapted.Measure = "f_ods"
) -> Figure:
    """Draw bars of the most-shots model without and with background images."""
    return adaptation_bars(result, strategy=strategy, background=True, limit=limit, measure=measure)


@report_figure(bars_caption, shows=adapted.scored, phone=True)
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
    names = [f"{style.name_text(name, 22)}{' (blind)' if name in result.blind else ''}" for name in shown]
    names += [f"all {len(result.secondaries)} secondaries"] if len(result.secondaries) > 1 else []
    seeds, several = adapted.seeds_of(result, models), len(result.segmenters) > 1
    bars = ranges(result, models, seeds, column)
    own_models = {*adapted.by_shots(result, chosen), *adapted.by_background(result, chosen)}
    ends, whole = (models[0], [model for model in models if model in own_models][-1]), _whole(result)
    # Random's bars are hollow beside another strategy's.
    hollow = set() if chosen == adapted.RANDOM else set(adapted.by_shots(result, adapted.RANDOM))
    look_of, faces = adapted.looks(result), dict[str, dict[str, Any]]()
    for model in models:
        colour = look_of[model].colour
        faces[model] = {"facecolor": style.PAPER if model in hollow else colour, "edgecolor": colour, "linewidth": 1.1}
    height = (max(0.17 * len(models), 0.36) + 0.16) * len(groups) + (0.45 if several else 0)
    figure, panels, _ = style.panel_grid(len(result.segmenters), 3, lambda lines: 1.25 + height * lines)
    for axes, name in zip(panels, result.segmenters, strict=True):
        for position, dataset in enumerate(groups):
            _group(axes, position, dataset, {model: bars.get((name, model, dataset)) for model in faces}, faces)
        style.name_rows(axes, names)
        most = min(max(bar.high for bar in bars.values()) * 1.1 + 0.02, 1.08)
        axes.set(xlim=(0, most), ylim=(len(groups) - 0.5, -0.5), xlabel=score if several else axis)
        if several:
            means = [f"{model} {bars[name, model, whole].mean:.3f}" for model in ends if (name, model, whole) in bars]
            style.head_panel(axes, name, " → ".join(means))
    handles = [Patch(**face, label=model) for model, face in faces.items()]
    style.name_legend(figure, handles, min(len(handles), 7), columnspacing=1.6)
    whisker = "; lines: lowest to highest seed" if len(seeds) > 1 else ""
    note = adapted.study_note(result, f"; images chosen by {chosen}; {adapted.seeds_text(seeds)}{whisker}. {left_out}")
    return style.head(figure, title, note)


def ranges(adaptation: Adaptation, models: Sequence[str], seeds: Sequence[int], column: str) -> dict[tuple[str, str, str], Bar]:
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


def _group(
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


AXES: Mapping[adapted.Measure, str] = {"f_ods": "F at the dataset's best threshold", "f": "F at the model's own threshold"}

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


@report_figure(partial(_curves_caption, background=True), shows=has_background, phone=True)
def adaptation_curves_background(
    adaptation: Adaptation, *, strategy: str | None = None, limit: int = 24, measure: adapted.Measure | None = None
) -> Figure:
    """Draw curves of the most-shots model without and with background images."""
    return adaptation_curves(adaptation, strategy=strategy, background=True, limit=limit, measure=measure)


@report_figure(_curves_caption, shows=adapted.scored, phone=True)
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
    title = f"F by distance, {BARS_BACKGROUND if background else BARS_TITLE}"
    if background and not models:
        return style.nothing(title, f"no model of {chosen} learnt from background images")
    seeds = adapted.seeds_of(adaptation, models)
    points = averaged(adaptation.images, models, seeds, shows)
    look_of, places = adapted.looks(adaptation), list(product(adaptation.segmenters, shown))
    figure, panels, columns = style.panel_grid(len(places), 2, lambda lines: 1.3 + 2.75 * lines, narrow=5.6)
    for axes, key in zip(panels, places, strict=True):
        own = matching(points, segmenter=key[0], dataset=key[1])
        count = own["image"].nunique()
        faint = float(np.clip(3.5 / max(count, 1) ** 0.5, 0.12, 0.5))
        for position, model in enumerate(models):
            rows, colour = own[own["model"] == model], look_of[model].colour
            window = max(FEWEST, rows["f"].notna().sum() // 10)
            order, x, smoothed = curve(rows["distance"], [str(image) for image in rows["image"]], rows["f"], window)
            # A point costs about a hundred bytes as vectors: the clouds alone are drawn as pixels.
            marks: dict[str, Any] = {"color": colour, "lw": 0, "rasterized": True, "clip_on": False, "zorder": 2.1}
            axes.scatter(x, rows["f"].to_numpy()[order], s=9, alpha=faint, label=f"images:{model}", **marks)
            effects = [withStroke(linewidth=3.2, foreground=style.PAPER)]
            line: dict[str, Any] = {"color": colour, "lw": 1.9, "path_effects": effects, "zorder": 2.4 + 0.01 * position}
            if len(x) >= 2 * FEWEST:
                axes.plot(x, smoothed, label=model, solid_joinstyle="round", **line)
        if not count:
            nothing: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "fontsize": 8, "color": style.MUTED}
            axes.text(0.5, 0.5, "no image has an F", **nothing)
        style.head_panel(axes, adapted.row_name(adaptation, *key), f"n = {count:,}")
    style.unit_panels(panels, columns, f"scaled {style.I_DIST}, as M sees it")
    figure.supylabel(AXES[shows], fontsize=9.5)
    handles = [Line2D([], [], lw=2.1, color=look_of[model].colour, label=model) for model in models]
    handles.append(Line2D([], [], marker="o", ls="none", ms=4, mew=0, alpha=0.5, color=style.MUTED, label="an image"))
    style.name_legend(figure, handles, min(len(handles), 7), columnspacing=1.6)
    note = adapted.study_note(adaptation, f"; images chosen by {chosen}; {adapted.seeds_text(seeds)}. {left_out}")
    return style.head(figure, title, note)


def averaged(images: pd.DataFrame, models: list[str], seeds: list[int], measure: adapted.Measure = "f") -> pd.DataFrame:
    """Average each image's F and distance by model over these seeds; images without either are left out. F becomes "f"."""
    rows = images[images["model"].isin(models) & images["seed"].isin(seeds)].assign(**{F_OWN: lambda rows: rows[measure]})
    rows = rows[rows["f"].notna() & rows["distance"].notna()]
    return rows.groupby(["segmenter", "model", "dataset", "image"], sort=False)[["distance", "f"]].mean().reset_index()


def _gains_caption(adaptation: Adaptation) -> Caption:
    rows = sorted_gains(adaptation).to_dict("records")
    names = [adapted.row_name(adaptation, row["segmenter"], row["model"]) for row in rows]
    values = [f"{name} {Interval.of(row, 'gain', 'low', 'high').signed()}" for name, row in zip(names, rows, strict=True)]
    hollow, against = "", ""
    if adapted.RANDOM in adapted.strategies(adaptation):
        hollow = " Hollow, on grey: random."
        against = (
            " Right: how much more than random's model with as many images; bold names are models that this holds of, or the "
            "opposite, after correction for the number of strategies."
        )
    return Caption(
        "Gain over M",
        "Change of mean F on images that no model learnt from, all secondaries alike, with its 95 % interval over photographs "
        f"and seeds. Models with as many images stand together.{hollow}{against}",
        f"Dots with intervals, one row a model: {'; '.join(values)}.",
    )


@report_figure(_gains_caption, shows=lambda adaptation: adaptation.gains["gain"].notna().any(), phone=True)
def adaptation_gains(adaptation: Adaptation) -> Figure:
    """Draw every model's gain of mean F over the unadapted model with its 95 % interval, and its gain over random.

    Each secondary counts alike; the models of a segmenter stand together. A model whose interval, corrected for the number of
    strategies, excludes 0 has its name in bold.
    """
    rows = sorted_gains(adaptation)
    if not len(rows):
        return style.nothing(GAINS_TITLE, "no model was adapted")
    columns = {"over M": ("gain", "low", "high")}
    if rows["over_random"].notna().any():
        columns["over random, as many shots"] = ("over_random", "over_random_low", "over_random_high")
    kinds, look_of = rows[["segmenter", "shots", "background"]].to_numpy().tolist(), adapted.looks(adaptation)
    groups = [place for place in range(1, len(rows)) if kinds[place] != kinds[place - 1]]
    names = [adapted.row_name(adaptation, *key) for key in rows[["segmenter", "model"]].itertuples(index=False, name=None)]
    rows["name"] = names
    judged = rows["beats_random"].eq(True) | rows["below_random"].eq(True)
    figure, panels = style.side_by_side(1.5 + 0.27 * len(rows), *[1.0] * len(columns), rows=len(rows), sharey=True)
    for axes, (title, own) in zip(panels, columns.items(), strict=True):
        axes.axvline(0, color=style.MUTED, lw=1.1, zorder=2.0, label="_nothing")
        dots = []
        for row in rows.to_dict("records"):
            gain, hollow = Interval.of(row, *own), row["strategy"] == adapted.RANDOM
            seen = replace(look_of[str(row["model"])], marker="D" if hollow else "o")
            text = "" if gain.value is None else gain.signed()
            dots.append(ForestRow(str(row["name"]), *gain.ends, seen, text, hollow=hollow))
        forest(axes, dots, width=1.8, size=6, text_size=8)
        # Beside the first panel there are no names.
        for label, bold in zip(frame_forest(axes, [style.name_text(name, 30) for name in names], groups), judged, strict=False):
            label.set_fontweight("bold" if bold else "normal")
        for place in np.flatnonzero(rows["strategy"] == adapted.RANDOM):
            axes.axhspan(place - 0.5, place + 0.5, color=style.MUTED, alpha=0.13, lw=0, zorder=1.5, label="_random")
        axes.set(title=title, xlabel="gain of mean F")
        axes.locator_params(axis="x", nbins=5)
        axes.margins(x=0.08)
        style.head_numbers(axes, "[95 % interval]")
    note = adapted.study_note(adaptation, ", all secondaries alike; lines are 95 % intervals; hollow, on grey: random")
    return style.head(figure, GAINS_TITLE, note)


def sorted_gains(adaptation: Adaptation) -> pd.DataFrame:
    """Sort each segmenter's pooled rows: without background first, then by increasing shots, then by decreasing gain."""
    pooled = adaptation.gains[(adaptation.gains["dataset"] == ALL) & adaptation.gains["gain"].notna()]
    rows = pooled.merge(adapted.arms(adaptation), on="model")
    rows = rows.assign(place=rows["segmenter"].map(adaptation.segmenters.index), with_background=rows["background"] > 0)
    keys = ["place", "with_background", "shots", "background", "gain"]
    return rows.sort_values(keys, ascending=[True] * 4 + [False], kind="stable").reset_index(drop=True)


def _suppression_caption(adaptation: Adaptation) -> Caption:
    shares: Any = by_seed(adaptation).mean()
    values = [f"{adapted.row_name(adaptation, *key)} {100 * share:.2f} %" for key, share in shares.items()]
    return Caption(
        "False positives and their price",
        f"Left: share of pixels of {adaptation.background} that are taken for foreground although nothing is there, on images "
        "that no model learnt from; hollow dots are seeds. Right: how mean F of the secondaries changed by adding the "
        "background, with its 95 % interval.",
        f"Dots, one row a model. Mean share of false positives: {'; '.join(values)}.",
    )


@report_figure(_suppression_caption, shows=lambda adaptation: len(adaptation.suppression) > 0, phone=True)
def adaptation_suppression(adaptation: Adaptation) -> Figure:
    """Draw false positives of the unadapted model and of the most-shots models without and with background, and its cost in F.

    A pixel counts where the model's probability is above its own threshold although there is nothing to find.
    """
    if not len(adaptation.suppression):
        return style.nothing(SUPPRESSION_TITLE, "no model learnt from background images, or none was left to measure on")
    shares: Any = by_seed(adaptation)
    rows = [
        {"segmenter": name, "model": model, "share": float(seeds.mean()), "seeds": seeds.dropna().tolist()}
        for (name, model), seeds in shares.items()
    ]
    dots = f"{adapted.seeds_text(list(shares.index))}{'; hollow: single seeds' if len(shares) > 1 else ''}"
    note = f"on {style.name_text(str(adaptation.background))} that no model learnt from; {dots}"
    return draw_suppression(rows, adaptation.suppression, adapted.looks(adaptation), note)


@style.drawing()
def draw_suppression(rows: Sequence[Any], changes: pd.DataFrame, look_of: Mapping[str, style.Look], note: str) -> Figure:
    """Draw false positives (left) and the cost of background in mean F (right), a row per model, grouped by segmenter.

    `rows` have segmenter, model and share, with the seeds' shares or the ends of an interval; `changes` have the costs. Looks
    are of models or of segmenters.
    """
    several = len({row["segmenter"] for row in rows}) > 1
    labels = [f"{row['segmenter']}:{row['model']}" if several else str(row["model"]) for row in rows]
    names = [style.name_text(f"{row['segmenter']} · {row['model']}" if several else row["model"], 36) for row in rows]
    groups = [place for place in range(1, len(rows)) if rows[place]["segmenter"] != rows[place - 1]["segmenter"]]
    cost_of = {(row["segmenter"], row["model"]): Interval.of(row, "cost") for row in changes.to_dict("records")}
    known = [value for row in rows for value in (row["share"], row.get("high", 0.0), *row.get("seeds", ())) if value == value]
    top = max([0.0, *known])
    left_rows, right_rows = list[ForestRow](), list[ForestRow]()
    hollow: dict[str, Any] = {"mew": 1.2, "mfc": style.PAPER, "ms": 4.5, "zorder": 2.4}
    figure, (left, right) = style.side_by_side(1.5 + 0.31 * len(rows), 1.35, 1.0, rows=len(rows), sharey=True)
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        dot = replace(look_of.get(row["model"]) or look_of[row["segmenter"]], marker="o")
        seeds, share, cost = row.get("seeds", ()), row["share"], cost_of.get((row["segmenter"], row["model"]))
        if len(seeds) > 1:
            left.plot(seeds, [place] * len(seeds), "o", mec=dot.colour, label=f"seeds:{label}", **hollow)
        text = f"{100 * share:.2f} %" if share == share else ""
        left_rows.append(ForestRow(label, share, row.get("low"), row.get("high"), dot, text))
        if cost is not None and cost.value is not None:
            right_rows.append(ForestRow(f"cost:{label}", *cost.ends, dot, cost.signed(), place))
    for axes, drawn in ((left, left_rows), (right, right_rows)):
        forest(axes, drawn, width=1.8, clip_on=False)
        frame_forest(axes, names, groups)
    left.set_xlim(0, 1.06 * top if top > 0 else 0.01)
    left.tick_params(axis="y", pad=8)
    left.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    left.set(title="false positives, the fewer the better", xlabel="share of pixels")
    style.head_numbers(left, "mean")
    right.axvline(0, color=style.MUTED, lw=1.1, label="_nothing")
    right.margins(x=0.1)
    right.locator_params(axis="x", nbins=5)
    right.set(title="what background cost", xlabel="change of mean F on the secondaries")
    style.head_numbers(right, "[95 % interval]")
    return style.head(figure, SUPPRESSION_TITLE, note)


def by_seed(adaptation: Adaptation) -> pd.DataFrame:
    """Return the mean share of false positives on unseen background: a column per segmenter and model, a row per seed."""
    models = [BASELINE, *dict.fromkeys(adaptation.suppression["model"])]
    table = matching(adaptation.images, dataset=adaptation.background).pivot_table(
        index="seed", columns=["segmenter", "model"], values="false_positive_share", aggfunc="mean"
    )
    columns = pd.MultiIndex.from_product([adaptation.segmenters, models])
    return table.reindex(index=adapted.seeds_of(adaptation, models), columns=columns)


def rows_caption(result: Adaptation, datasets: Sequence[str] | None = None, background: bool | None = None) -> Caption:
    """Return the caption for picture rows of some datasets, by default of all."""
    several = len(result.segmenters) > 1
    blind = " No model learnt from these datasets." if datasets and set(datasets) <= set(result.blind) else ""
    models, shown = ", ".join(_models(result, adapted.strategy_of(result), background)), datasets or ["each dataset"]
    return Caption(
        f"{ROWS_TITLE} on {', '.join(shown)}",
        f"Photograph, ground truth where there is one, and the maps of {models}{'; one row a segmenter' if several else ''}."
        f"{blind} The image is chosen by rule{', the same for all segmenters' if several else ''}: at the median of M's F; "
        "where there is no F, at the median of M's false positives; else the middle one by name. Right of each name is the "
        "rule that held. Maps show the probability, white is certain, as trained with seed "
        f"{first_seed(result)}; under each the image's F at the model's own threshold, or its share of false positives. One "
        "image shows what changes look like, not how much they are worth.",
        "Rows of small pictures: photograph, ground truth where there is one, and each model's probability map.",
    )


def _models(study: Adaptation, strategy: str, background: bool | None) -> list[str]:
    """List M and the models by shots (False), or those without and with background (True), or both (None)."""
    plain, added = [BASELINE, *adapted.by_shots(study, strategy)], adapted.by_background(study, strategy)
    return list(dict.fromkeys([*([] if background else plain), *([] if background is False else added)]))


@report_figure(rows_caption, shows=contact_sheets.has_files, vector=False)
def adaptation_rows(
    result: Adaptation,
    datasets: Sequence[str] | None = None,
    *,
    folder: str | Path = ".",
    background: bool | None = None,
    strategy: str | None = None,
    limit: int = 16,
) -> Figure:
    """Draw an image of each dataset: photograph, ground truth if any, and each model's map; a row per segmenter.

    After figs. 8, 9 and 13 of Achara & Pandey, in the first seed. M alone decides on the image, the same for all segmenters:
    see `stand_in`. White is certain; a shrunk map keeps the highest probability of each pixel, so that thin lines stay.
    `background` shows the models with (True), without (False), or both (None).
    """
    models, seed = _models(result, adapted.strategy_of(result, strategy), background), first_seed(result)
    images = matching(result.images, seed=seed)
    every = [*result.secondaries, *result.blind, *([] if result.background is None else [result.background])]
    predicted = set(images["dataset"])
    there = [name for name in dict.fromkeys(every if datasets is None else datasets) if name in predicted]
    if not there or not models:
        return style.nothing(ROWS_TITLE, "no image of these datasets was predicted in the first seed")
    shown, left_out = style.first(there, limit)
    places = {name: Path(folder) / name if name in result.runs() else Path(folder) for name in result.segmenters}
    blocks = [block for name in shown for block in _blocks(matching(images, dataset=name), models, places)]
    if all(block.lines[0][_TRUTH].picture.reason == contact_sheets.NONE for block in blocks):
        blocks = [block._replace(lines=[[*line[:_TRUTH], *line[_TRUTH + 1 :]]]) for block in blocks for line in block.lines]
    figure = contact_sheets.draw_blocks(blocks, FEWEST_COLUMNS)
    note = f"The image in the middle, as said at the right of each row; seed {seed}; white is certain. {left_out}"
    return style.head(figure, f"{ROWS_TITLE}: {adapted.study_note(result, '')}", note)


def first_seed(adaptation: Adaptation) -> int:
    """Return the first seed in the study's settings that has images."""
    seeds = set(adaptation.images["seed"].tolist())
    return next((int(seed) for seed in adaptation.settings["seeds"] if seed in seeds), int(min(seeds, default=0)))


def _blocks(images: pd.DataFrame, models: Sequence[str], places: Mapping[str, Path]) -> list[PictureBlock]:
    """Read the pictures of a dataset's rows; segmenters without results for the chosen image have none."""
    dataset, several = str(images["dataset"].iloc[0]), len(places) > 1
    shown = stand_in(images, dataset)
    blocks = []
    for segmenter, folder in places.items():
        own = matching(images, segmenter=segmenter, image=shown.image).set_index("model")
        if not len(own):
            continue
        heading = style.name_text(dataset, 30 if several else 40) + (f" · {style.name_text(segmenter, 24)}" if several else "")
        photograph, mask = str(own.iloc[0]["path"]), str(own.iloc[0]["mask"])
        truths = {"photograph": contact_sheets.thumbnail(photograph), "ground truth": contact_sheets.truth(mask)}
        cells = [PictureCell(name, each, below=name) for name, each in truths.items()]
        for model in models:
            picture, below = contact_sheets.Thumbnail(None, "not made\nin this seed"), style.name_text(model, 16)
            if model in own.index:
                picture = contact_sheets.probabilities(folder / str(own.loc[model, "map"]))
                f, share = (float(own[column].loc[model]) for column in ("f", "false_positive_share"))
                below += f"\nF {f:.2f}" if not np.isnan(f) else "" if np.isnan(share) else f"\nfalse {100 * share:.1f} %"
            cells.append(PictureCell(model, picture, below=below))
        blocks.append(PictureBlock(heading, shown, [cells]))
    return blocks


def stand_in(images: pd.DataFrame, dataset: str) -> contact_sheets.StandInImage:
    """Choose a dataset's median image by the unadapted models' mean F, else by false positives, else by name.

    Images that fewer segmenters have than others are left out.
    """
    own = images[(images["model"] == BASELINE) & (images["dataset"] == dataset)].groupby("image")
    counted = own.size()
    means = own[["f", "false_positive_share"]].mean().loc[counted.index[counted == counted.max()]].reset_index()
    for column, reason in (("f", "median of F by M"), ("false_positive_share", "median of false positives by M")):
        measured = means[means[column].notna()]
        if len(measured):
            return contact_sheets.StandInImage(dataset, contact_sheets.middle(measured, column), reason)
    return contact_sheets.StandInImage(dataset, contact_sheets.middle(means, "image"), "middle by name")
