"""Draw the gain of adaptation over the unadapted model and over random images, and the effect of background images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
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
from howfar.figures.style import (
    MUTED,
    PAPER,
    WIDTH,
    Look,
    blank,
    drawing,
    head,
    head_numbers,
    name_rows,
    name_text,
    nothing,
    row_number,
)
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


@registered(_gains_caption, shows=lambda adaptation: adaptation.gains["gain"].notna().any())
def adaptation_gains(adaptation: Adaptation) -> Figure:
    """Draw every model's gain of mean F over the unadapted model with its 95 % interval, and its gain over random.

    Each secondary counts alike. A model whose interval, corrected for the number of strategies, excludes 0 has its name in
    bold.
    """
    rows = sorted_gains(adaptation)
    if not len(rows):
        return nothing(GAINS_TITLE, "no model was adapted")
    against = bool(rows["over_random"].notna().any())
    with drawing():
        figure = blank(WIDTH, 1.5 + 0.27 * len(rows))
        panels = figure.subplots(1, 2 if against else 1, sharey=True, squeeze=False).ravel().tolist()
        _panel(panels[0], rows, ("gain", "low", "high"), looks(adaptation))
        panels[0].set_title("over M")
        if against:
            _panel(panels[1], rows, ("over_random", "over_random_low", "over_random_high"), looks(adaptation))
            panels[1].set_title("over random, as many shots")
            panels[1].tick_params(axis="y", length=0)
        _gains_frame(panels, rows)
        note = study_note(adaptation, ", all secondaries alike; lines are 95 % intervals; hollow, on grey: random")
        head(figure, GAINS_TITLE, note)
    return figure


def sorted_gains(adaptation: Adaptation) -> pd.DataFrame:
    """Sort the models' pooled rows: without background first, then by increasing shots, then by decreasing gain."""
    pooled = adaptation.gains[(adaptation.gains["dataset"] == ALL) & adaptation.gains["gain"].notna()]
    rows = pooled.merge(arms(adaptation), on="model")
    rows = rows.assign(with_background=rows["background"] > 0)
    keys = ["with_background", "shots", "background", "gain"]
    return rows.sort_values(keys, ascending=[True, True, True, False], kind="stable").reset_index(drop=True)


def _panel(axes: Axes, rows: pd.DataFrame, columns: Sequence[str], look_of: dict[str, Look]) -> None:
    axes.axvline(0, color=MUTED, lw=1.1, zorder=2.0, label="_nothing")
    head_numbers(axes, "[95 % interval]")
    for position, row in enumerate(rows.to_dict("records")):
        change, look = Change.of(row, *columns), look_of[str(row["model"])]
        if change.known:
            axes.plot(
                [change.low, change.high],
                [position] * 2,
                color=look.colour,
                lw=1.8,
                zorder=2.3,
                label=f"interval:{row['model']}",
            )
            marker, face = ("D", PAPER) if row["strategy"] == RANDOM else ("o", look.colour)
            dot: dict[str, Any] = {"ms": 6, "mec": look.colour, "mew": 1.4, "mfc": face, "ls": "none", "zorder": 2.5}
            axes.plot([change.value], [position], marker=marker, label=str(row["model"]), **dot)
            row_number(axes, position, str(change), 8)


def _gains_frame(panels: Sequence[Axes], rows: pd.DataFrame) -> None:
    name_rows(panels[0], [name_text(str(model), 30) for model in rows["model"]])
    judged = rows["beats_random"].eq(True) | rows["below_random"].eq(True)
    for label, bold in zip(panels[0].get_yticklabels(), judged, strict=True):
        label.set_fontweight("bold" if bold else "normal")
    kinds = list(zip(rows["shots"], rows["background"], strict=True))
    for axes in panels:
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("gain of mean F")
        axes.locator_params(axis="x", nbins=5)
        axes.margins(x=0.08)
        for position, row in enumerate(rows.to_dict("records")):
            if row["strategy"] == RANDOM:
                axes.axhspan(position - 0.5, position + 0.5, color=MUTED, alpha=0.13, lw=0, zorder=1.5, label="_random")
            if position and kinds[position] != kinds[position - 1]:
                axes.axhline(position - 0.5, color=MUTED, lw=0.6, alpha=0.6)


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


@registered(_suppression_caption, shows=lambda adaptation: len(adaptation.suppression) > 0)
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
    with drawing():
        figure = blank(WIDTH, 1.5 + 0.31 * len(rows))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.35, 1.0))
        for position, row in enumerate(rows):
            if len(row.seeds) > 1:
                hollow: dict[str, Any] = {"mec": row.look.colour, "mew": 1.2, "mfc": PAPER, "ms": 4.5, "zorder": 2.4}
                left.plot(row.seeds, [position] * len(row.seeds), "o", label=f"seeds:{row.label}", **hollow)
            _dot(left, position, row.share, row.look.colour, row.label, f"{100 * row.share.value:.2f} %")
            if row.cost is not None:
                _dot(right, position, row.cost, row.look.colour, f"cost:{row.label}", f"{row.cost}")
            if position and row.segmenter != rows[position - 1].segmenter:
                for axes in (left, right):
                    axes.axhline(position - 0.5, color=MUTED, lw=0.6, alpha=0.6)
        names = [f"{row.segmenter} · {row.model}" if row.segmenter else row.model for row in rows]
        top = max([0.0, *(value for row in rows for value in (row.share.value, row.share.high, *row.seeds) if value == value)])
        _suppression_frame(left, right, [name_text(name, 36) for name in names], top)
        head(figure, SUPPRESSION_TITLE, note)
    return figure


def _dot(axes: Axes, position: int, change: Change, colour: str, label: str, text: str) -> None:
    if not change.known:
        return
    line: dict[str, Any] = {"color": colour, "zorder": 2.4, "clip_on": False}
    if change.bounded:
        axes.plot([change.low, change.high], [position, position], lw=1.8, label=f"interval:{label}", **line)
    axes.plot([change.value], [position], marker="o", ms=6.5, label=label, **line)
    row_number(axes, position, text)


def by_seed(adaptation: Adaptation, models: list[str]) -> pd.DataFrame:
    """Return the mean share of false positives on unseen background images: a column per model, a row per shared seed."""
    images = adaptation.images
    table = images[images["dataset"] == adaptation.background].pivot_table(
        index="seed", columns="model", values="false_positive_share", aggfunc="mean"
    )
    return table.reindex(index=seeds_of(adaptation, models), columns=models)


def _suppression_frame(left: Axes, right: Axes, names: list[str], top: float) -> None:
    name_rows(left, names)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(0, 1.06 * top if top > 0 else 0.01)
    left.tick_params(axis="y", pad=8)
    left.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    left.set_title("false positives, the fewer the better")
    left.set_xlabel("share of pixels")
    head_numbers(left, "mean")
    right.axvline(0, color=MUTED, lw=1.1, label="_nothing")
    right.margins(x=0.1)
    right.locator_params(axis="x", nbins=5)
    right.tick_params(axis="y", length=0)
    right.set_title("what background cost")
    right.set_xlabel("change of mean F on the secondaries")
    head_numbers(right, "[95 % interval]")
