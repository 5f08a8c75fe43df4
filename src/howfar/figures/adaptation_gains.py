"""Draw the gain of adaptation over the unadapted model and over random images, and the effect of background images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from howfar.figures import Caption, registered
from howfar.figures.adaptation_models import (
    COST,
    PLAIN,
    RANDOM,
    Change,
    arms,
    change_text,
    looks,
    seeds_of,
    seeds_text,
    strategies,
    study_note,
)
from howfar.figures.forest import ForestRow, forest, frame_forest
from howfar.figures.style import MUTED, PAPER, Look, drawing, head, head_numbers, name_text, nothing, side_by_side
from howfar.results.adaptation_result import ALL, BASELINE, Adaptation

GAINS_TITLE = "Gain of mean F"


def _gains_caption(adaptation: Adaptation) -> Caption:
    rows = sorted_gains(adaptation).to_dict("records")
    values = [f"{row['model']} {change_text(row['gain'], row['low'], row['high'])}" for row in rows]
    hollow, against = "", ""
    if RANDOM in strategies(adaptation):
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


@registered(_gains_caption, shows=lambda adaptation: adaptation.gains["gain"].notna().any(), phone=True)
def adaptation_gains(adaptation: Adaptation) -> Figure:
    """Draw every model's gain of mean F over the unadapted model with its 95 % interval, and its gain over random.

    Each secondary counts alike. A model whose interval, corrected for the number of strategies, excludes 0 has its name in
    bold.
    """
    rows = sorted_gains(adaptation)
    if not len(rows):
        return nothing(GAINS_TITLE, "no model was adapted")
    columns = {"over M": ("gain", "low", "high")}
    if rows["over_random"].notna().any():
        columns["over random, as many shots"] = ("over_random", "over_random_low", "over_random_high")
    shots, look_of = list(zip(rows["shots"], rows["background"], strict=True)), looks(adaptation)
    groups = [place for place in range(1, len(rows)) if shots[place] != shots[place - 1]]
    names = [name_text(str(model), 30) for model in rows["model"]]
    judged = rows["beats_random"].eq(True) | rows["below_random"].eq(True)
    with drawing():
        figure, panels = side_by_side(1.5 + 0.27 * len(rows), *[1.0] * len(columns), rows=len(rows), sharey=True)
        for axes, (title, own) in zip(panels, columns.items(), strict=True):
            axes.axvline(0, color=MUTED, lw=1.1, zorder=2.0, label="_nothing")
            forest(axes, (_gain_row(row, own, look_of) for row in rows.to_dict("records")), width=1.8, size=6, text_size=8)
            # Beside the first panel there are no names.
            for label, bold in zip(frame_forest(axes, names, groups), judged, strict=False):
                label.set_fontweight("bold" if bold else "normal")
            for place in np.flatnonzero(rows["strategy"] == RANDOM):
                axes.axhspan(place - 0.5, place + 0.5, color=MUTED, alpha=0.13, lw=0, zorder=1.5, label="_random")
            axes.set_title(title)
            axes.set_xlabel("gain of mean F")
            axes.locator_params(axis="x", nbins=5)
            axes.margins(x=0.08)
            head_numbers(axes, "[95 % interval]")
        note = study_note(adaptation, ", all secondaries alike; lines are 95 % intervals; hollow, on grey: random")
        head(figure, GAINS_TITLE, note)
    return figure


def _gain_row(row: Mapping[Any, Any], columns: Sequence[str], look_of: Mapping[str, Look]) -> ForestRow:
    change, hollow = Change.of(row, *columns), row["strategy"] == RANDOM
    seen = replace(look_of[str(row["model"])], marker="D" if hollow else "o")
    return ForestRow(str(row["model"]), *change.ends, seen, str(change) if change.known else "", hollow=hollow)


def sorted_gains(adaptation: Adaptation) -> pd.DataFrame:
    """Sort the models' pooled rows: without background first, then by increasing shots, then by decreasing gain."""
    pooled = adaptation.gains[(adaptation.gains["dataset"] == ALL) & adaptation.gains["gain"].notna()]
    rows = pooled.merge(arms(adaptation), on="model")
    rows = rows.assign(with_background=rows["background"] > 0)
    keys = ["with_background", "shots", "background", "gain"]
    return rows.sort_values(keys, ascending=[True, True, True, False], kind="stable").reset_index(drop=True)


SUPPRESSION_TITLE = "False positives with and without background images"


def _suppression_caption(adaptation: Adaptation) -> Caption:
    models = [BASELINE, *map(str, adaptation.suppression["model"])]
    shares = by_seed(adaptation, models).mean()
    values = [f"{model} {100 * float(shares[model]):.2f} %" for model in models]
    return Caption(
        "False positives and their price",
        f"Left: share of pixels of {adaptation.background} that are taken for foreground although nothing is there, on images "
        "that no model learnt from; hollow dots are seeds. Right: how mean F of the secondaries changed by adding the "
        "background, with its 95 % interval.",
        f"Dots, one row a model. Mean share of false positives: {'; '.join(values)}.",
    )


@registered(_suppression_caption, shows=lambda adaptation: len(adaptation.suppression) > 0, phone=True)
def adaptation_suppression(adaptation: Adaptation) -> Figure:
    """Draw false positives of the unadapted model and of the most-shots models without and with background, and its cost in F.

    A pixel counts where the model's probability is above its own threshold although there is nothing to find.
    """
    if not len(adaptation.suppression):
        return nothing(SUPPRESSION_TITLE, "no model learnt from background images, or none was left to measure on")
    models = [BASELINE, *adaptation.suppression["model"]]
    shares, look_of = by_seed(adaptation, models), looks(adaptation)
    costs = {row["model"]: Change.of(row, *COST) for row in adaptation.suppression.to_dict("records")}
    rows = []
    for model in models:
        seeds = shares[model].dropna()
        share = Change(float(seeds.mean()), math.nan, math.nan)
        rows.append(SuppressionRow("", model, look_of.get(model, PLAIN), share, list(seeds), costs.get(model)))
    dots = "; hollow: single seeds" if len(shares) > 1 else ""
    seeds_shown = seeds_text(list(shares.index))
    return draw_suppression(rows, f"on {name_text(str(adaptation.background))} that no model learnt from; {seeds_shown}{dots}")


class SuppressionRow(NamedTuple):
    """Hold a figure row: a segmenter's model, its false positive share in total and by seed, and the cost in F."""

    segmenter: str
    model: str
    look: Look
    share: Change
    seeds: Sequence[float] = ()
    cost: Change | None = None

    @property
    def label(self) -> str:
        """Return the label of the row's marks."""
        return f"{self.segmenter}:{self.model}" if self.segmenter else self.model


def draw_suppression(rows: Sequence[SuppressionRow], note: str) -> Figure:
    """Draw false positives (left) and the cost of background in mean F (right), a row per model, grouped by segmenter."""
    names = [name_text(f"{row.segmenter} · {row.model}" if row.segmenter else row.model, 36) for row in rows]
    groups = [place for place in range(1, len(rows)) if rows[place].segmenter != rows[place - 1].segmenter]
    top = max([0.0, *(value for row in rows for value in (row.share.value, row.share.high, *row.seeds) if value == value)])
    with drawing():
        figure, (left, right) = side_by_side(1.5 + 0.31 * len(rows), 1.35, 1.0, rows=len(rows), sharey=True)
        hollow: dict[str, Any] = {"mew": 1.2, "mfc": PAPER, "ms": 4.5, "zorder": 2.4}
        for position, row in enumerate(rows):
            if len(row.seeds) > 1:
                left.plot(
                    row.seeds, [position] * len(row.seeds), "o", mec=row.look.colour, label=f"seeds:{row.label}", **hollow
                )
        dots = [replace(row.look, marker="o") for row in rows]
        shares = [f"{100 * row.share.value:.2f} %" if row.share.known else "" for row in rows]
        shown = zip(rows, dots, shares, strict=True)
        forest(left, (ForestRow(row.label, *row.share.ends, dot, text) for row, dot, text in shown), width=1.8, clip_on=False)
        priced = [(place, row, row.cost) for place, row in enumerate(rows) if row.cost is not None and row.cost.known]
        costs = (ForestRow(f"cost:{row.label}", *cost.ends, dots[place], f"{cost}", place) for place, row, cost in priced)
        forest(right, costs, width=1.8, clip_on=False)
        for axes in (left, right):
            frame_forest(axes, names, groups)
        left.set_xlim(0, 1.06 * top if top > 0 else 0.01)
        left.tick_params(axis="y", pad=8)
        left.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        left.set_title("false positives, the fewer the better")
        left.set_xlabel("share of pixels")
        head_numbers(left, "mean")
        right.axvline(0, color=MUTED, lw=1.1, label="_nothing")
        right.margins(x=0.1)
        right.locator_params(axis="x", nbins=5)
        right.set_title("what background cost")
        right.set_xlabel("change of mean F on the secondaries")
        head_numbers(right, "[95 % interval]")
        head(figure, SUPPRESSION_TITLE, note)
    return figure


def by_seed(adaptation: Adaptation, models: list[str]) -> pd.DataFrame:
    """Return the mean share of false positives on unseen background images: a column per model, a row per shared seed."""
    images = adaptation.images
    table = images[images["dataset"] == adaptation.background].pivot_table(
        index="seed", columns="model", values="false_positive_share", aggfunc="mean"
    )
    return table.reindex(index=seeds_of(adaptation, models), columns=models)
