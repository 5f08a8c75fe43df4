"""Draw figs. 7 and 17 of the paper: F of each dataset by each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from howfar.figures.adaptation_models import (
    AS_IN_PAPER,
    CAUTION,
    RANDOM,
    Measure,
    arms,
    by_background,
    by_shots,
    check_measure,
    looks,
    scored,
    seeds_of,
    seeds_text,
    strategies,
    strategy_of,
    study_note,
)
from howfar.figures.datasets import first
from howfar.figures.frame import name_legend, nothing
from howfar.figures.registration import Caption, registered
from howfar.figures.style import INK, PAPER, WIDTH, blank, drawing, head, name_rows, name_text
from howfar.results.adaptation import ALL, BASELINE, Adaptation

TITLE, BACKGROUND = "before and after adaptation", "with and without background images"
ROOM = 0.84


class Bar(NamedTuple):
    """Hold a score's mean over the seeds, and the lowest and highest of them."""

    mean: float
    low: float
    high: float


Bars: TypeAlias = dict[tuple[str, str], Bar]


class Score(NamedTuple):
    """Hold the column of ``adaptation.scores`` that bars are drawn of, its name, and what stands under the axis."""

    column: str
    name: str
    axis: str


SCORES: Mapping[Measure, Score] = {
    "f_ods": Score("ods", "ODS", "ODS: F of the dataset at the threshold that is best for it"),
    "f": Score("mean_f", "Mean F", "mean F of the images, each model at its own threshold"),
}
_WHICH = f"ODS: F of the dataset's summed counts at the threshold that is best for it, {AS_IN_PAPER}. {CAUTION}."


def _caption(adaptation: Adaptation) -> Caption:
    strategy = strategy_of(adaptation)
    beside = " Hollow: as many images drawn at random." if RANDOM in strategies(adaptation) and strategy != RANDOM else ""
    return Caption(
        "ODS by dataset",
        f"M, and the models that learnt from images chosen by {strategy}, as in fig. 7 of the paper."
        f"{beside}{_over(adaptation)} {_WHICH}",
        f"Horizontal bars by dataset. {_means(adaptation, [BASELINE, *by_shots(adaptation, strategy)])}",
    )


def _background_caption(adaptation: Adaptation) -> Caption:
    models = by_background(adaptation, strategy_of(adaptation))
    return Caption(
        "ODS by dataset, with and without background",
        f"{models[0]}, and the same with background images (B), as in fig. 17 of the paper.{_over(adaptation)} {_WHICH}",
        f"Horizontal bars by dataset. {_means(adaptation, models)}",
    )


def _over(adaptation: Adaptation) -> str:
    seeds = seeds_of(adaptation, [BASELINE, *by_shots(adaptation, strategy_of(adaptation))])
    return f" Bars are means over {len(seeds)} seeds, lines reach from the lowest to the highest." if len(seeds) > 1 else ""


def _means(adaptation: Adaptation, models: list[str]) -> str:
    bars = ranges(adaptation, models, seeds_of(adaptation, models), SCORES["f_ods"].column)
    dataset = ALL if len(adaptation.secondaries) > 1 else adaptation.secondaries[0]
    values = [f"{model} {bars[model, dataset].mean:.3f}" for model in models if (model, dataset) in bars]
    return f"Mean ODS over the secondaries: {'; '.join(values)}."


def is_scored(adaptation: Adaptation) -> bool:
    """Tell whether any image of a study has an F."""
    return bool(scored(adaptation))


def has_background(adaptation: Adaptation) -> bool:
    """Tell whether models with background images can be shown beside one without."""
    return is_scored(adaptation) and bool(by_background(adaptation, strategy_of(adaptation)))


@registered(_background_caption, shows=has_background)
def adaptation_bars_background(
    adaptation: Adaptation, *, strategy: str | None = None, limit: int = 24, measure: Measure = "f_ods"
) -> Figure:
    """Draw the bars of the model with the most shots and of those that background images were added to."""
    return adaptation_bars(adaptation, strategy=strategy, background=True, limit=limit, measure=measure)


@registered(_caption, shows=is_scored)
def adaptation_bars(
    adaptation: Adaptation,
    *,
    strategy: str | None = None,
    background: bool = False,
    limit: int = 24,
    measure: Measure = "f_ods",
) -> Figure:
    """Draw F of each dataset's images that no model learnt from, one bar a model; the last group is the secondaries alike.

    After figs. 7 and 17 of Achara & Pandey, and as they do with the ODS of a dataset (`measure` "f_ods"), whose threshold
    looks at the dataset's labels; "f" draws mean F at each model's own threshold, of which the gains are. Where random was a
    strategy, its models stand beside those with as many shots, hollow. Bars are means over the seeds in which all models
    shown were trained; lines reach from the lowest seed to the highest. Beside M stand the models of `strategy`, by default
    the first that is not random; with `background`, the model with the most shots and those that background images were added
    to stand in their place. At most `limit` datasets are shown, blind sets with masks last.
    """
    check_measure(measure)
    chosen, score = strategy_of(adaptation, strategy), SCORES[measure]
    title = f"{score.name}, {BACKGROUND if background else TITLE}"
    models = by_background(adaptation, chosen) if background else beside_random(adaptation, chosen)
    shown, left_out = first(scored(adaptation), limit) if scored(adaptation) else ([], "")
    if not models or not shown:
        return nothing(title, f"no model of {chosen} learnt from background images" if shown else "no image has an F")
    seeds = seeds_of(adaptation, models)
    bars, faces = ranges(adaptation, models, seeds, score.column), bar_faces(adaptation, models, chosen)
    groups = [*shown, *([ALL] if len(adaptation.secondaries) > 1 else [])]
    with drawing():
        height = max(0.17 * len(models), 0.36) + 0.16
        figure = blank(WIDTH, 1.25 + height * len(groups))
        axes = figure.add_subplot()
        for position, dataset in enumerate(groups):
            draw_group(axes, position, dataset, bars, faces)
        names = [group_name(adaptation, dataset) for dataset in groups]
        frame_bars(axes, names, [bar.high for bar in bars.values()], score.axis)
        handles = [Patch(**face, label=model) for model, face in faces.items()]
        name_legend(figure, handles, min(len(handles), 7), columnspacing=1.6)
        note = study_note(adaptation, f"; images chosen by {chosen}")
        whisker = "; lines: lowest to highest seed" if len(seeds) > 1 else ""
        head(figure, title, f"{note}; {seeds_text(seeds)}{whisker}. {left_out}".strip())
    return figure


def ranges(adaptation: Adaptation, models: Sequence[str], seeds: Sequence[int], column: str = "mean_f") -> Bars:
    """Compute a score by model and dataset over these seeds; "all": its mean over the secondaries, taken a seed at a time.

    `column` is one of ``adaptation.scores``: "mean_f", "mean_f_ods" or "ods".
    """
    scores = adaptation.scores[adaptation.scores["model"].isin(models) & adaptation.scores["seed"].isin(seeds)]
    scores = scores[scores[column].notna()].astype({column: "float64"})
    pooled = scores[scores["dataset"].isin(adaptation.secondaries)]
    pooled = pooled.groupby(["model", "seed"], sort=False)[column].mean().reset_index().assign(dataset=ALL)
    return {**_ranges(scores, column), **_ranges(pooled, column)}


def _ranges(rows: pd.DataFrame, column: str) -> Bars:
    spans = rows.groupby(["model", "dataset"], sort=False)[column].agg(["mean", "min", "max"])
    return {
        (str(row["model"]), str(row["dataset"])): Bar(row["mean"], row["min"], row["max"])
        for row in spans.reset_index().to_dict("records")
    }


def beside_random(adaptation: Adaptation, strategy: str) -> list[str]:
    """List the unadapted model, and for each number of shots the strategy's model and random's."""
    models = arms(adaptation)
    models = models[(models["background"] == 0) & models["strategy"].isin([strategy, RANDOM])]
    own = models["strategy"] == strategy
    ordered = models.assign(rival=~own).sort_values(["shots", "rival"], kind="stable")
    return [BASELINE, *ordered.loc[ordered["shots"].isin(set(models.loc[own, "shots"])), "model"]]


def bar_faces(adaptation: Adaptation, models: list[str], strategy: str) -> dict[str, dict[str, Any]]:
    """Choose how each model's bar is drawn: random's hollow beside another strategy's."""
    look_of, rivals = looks(adaptation), set() if strategy == RANDOM else set(by_shots(adaptation, RANDOM))
    return {
        model: {
            "facecolor": PAPER if model in rivals else look_of[model].colour,
            "edgecolor": look_of[model].colour,
            "linewidth": 1.1,
        }
        for model in models
    }


def draw_group(axes: Axes, position: int, dataset: str, bars: Bars, faces: Mapping[str, dict[str, Any]]) -> None:
    """Draw the bars of all models on one dataset, one below the other about `position`, each with its number."""
    thick = ROOM / len(faces)
    for k, (model, face) in enumerate(faces.items()):
        bar = bars.get((model, dataset))
        if bar is None:
            continue
        at = position - ROOM / 2 + (k + 0.5) * thick
        axes.barh([at], [bar.mean], height=thick * 0.82, label=f"{model}:{dataset}", zorder=2.2, **face)
        if bar.high > bar.low:
            axes.plot([bar.low, bar.high], [at, at], color=INK, lw=1.2, zorder=2.5, label=f"range:{model}:{dataset}")
        number: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 7.5, "color": INK}
        axes.annotate(f"{bar.mean:.3f}", (bar.high, at), (4, 0), **number)


def frame_bars(axes: Axes, names: list[str], tops: list[float], label: str) -> None:
    """Name the groups of bars, and set how far the axis reaches: past the highest of `tops`."""
    name_rows(axes, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, min(max(tops) * 1.1 + 0.02, 1.08))
    axes.set_xlabel(label)


def group_name(adaptation: Adaptation, dataset: str) -> str:
    """Name a group of bars: a dataset, marked where it is blind, or all secondaries alike."""
    if dataset == ALL:
        return f"all {len(adaptation.secondaries)} secondaries"
    return f"{name_text(dataset, 22)}{' (blind)' if dataset in adaptation.blind else ''}"
