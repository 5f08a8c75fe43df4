"""Draw adapted models' gain in F over the unadapted model and over random selection, and the effect of background images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from howfar.figures import Caption, registered, style
from howfar.figures import adaptation_style as adapted
from howfar.figures.forest_plot import ForestRow, forest, frame_forest
from howfar.results.adaptation_result import ALL, BASELINE, Adaptation
from howfar.results.records import Interval, matching

GAINS_TITLE = "Gain of mean F"


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


@registered(_gains_caption, shows=lambda adaptation: adaptation.gains["gain"].notna().any(), phone=True)
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
    with style.drawing():
        figure, panels = style.side_by_side(1.5 + 0.27 * len(rows), *[1.0] * len(columns), rows=len(rows), sharey=True)
        for axes, (title, own) in zip(panels, columns.items(), strict=True):
            axes.axvline(0, color=style.MUTED, lw=1.1, zorder=2.0, label="_nothing")
            forest(axes, (_gain_row(row, own, look_of) for row in rows.to_dict("records")), width=1.8, size=6, text_size=8)
            # Beside the first panel there are no names.
            for label, bold in zip(
                frame_forest(axes, [style.name_text(name, 30) for name in names], groups), judged, strict=False
            ):
                label.set_fontweight("bold" if bold else "normal")
            for place in np.flatnonzero(rows["strategy"] == adapted.RANDOM):
                axes.axhspan(place - 0.5, place + 0.5, color=style.MUTED, alpha=0.13, lw=0, zorder=1.5, label="_random")
            axes.set_title(title)
            axes.set_xlabel("gain of mean F")
            axes.locator_params(axis="x", nbins=5)
            axes.margins(x=0.08)
            style.head_numbers(axes, "[95 % interval]")
        note = adapted.study_note(adaptation, ", all secondaries alike; lines are 95 % intervals; hollow, on grey: random")
        style.head(figure, GAINS_TITLE, note)
    return figure


def _gain_row(row: Mapping[Any, Any], columns: Sequence[str], look_of: Mapping[str, style.Look]) -> ForestRow:
    change, hollow = Interval.of(row, *columns), row["strategy"] == adapted.RANDOM
    seen = replace(look_of[str(row["model"])], marker="D" if hollow else "o")
    return ForestRow(str(row["name"]), *change.ends, seen, "" if change.value is None else change.signed(), hollow=hollow)


def sorted_gains(adaptation: Adaptation) -> pd.DataFrame:
    """Sort each segmenter's pooled rows: without background first, then by increasing shots, then by decreasing gain."""
    pooled = adaptation.gains[(adaptation.gains["dataset"] == ALL) & adaptation.gains["gain"].notna()]
    rows = pooled.merge(adapted.arms(adaptation), on="model")
    rows = rows.assign(place=rows["segmenter"].map(adaptation.segmenters.index), with_background=rows["background"] > 0)
    keys = ["place", "with_background", "shots", "background", "gain"]
    return rows.sort_values(keys, ascending=[True] * 4 + [False], kind="stable").reset_index(drop=True)


SUPPRESSION_TITLE = "False positives with and without background images"


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


@registered(_suppression_caption, shows=lambda adaptation: len(adaptation.suppression) > 0, phone=True)
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
    with style.drawing():
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
        left.set_title("false positives, the fewer the better")
        left.set_xlabel("share of pixels")
        style.head_numbers(left, "mean")
        right.axvline(0, color=style.MUTED, lw=1.1, label="_nothing")
        right.margins(x=0.1)
        right.locator_params(axis="x", nbins=5)
        right.set_title("what background cost")
        right.set_xlabel("change of mean F on the secondaries")
        style.head_numbers(right, "[95 % interval]")
        style.head(figure, SUPPRESSION_TITLE, note)
    return figure


def by_seed(adaptation: Adaptation) -> pd.DataFrame:
    """Return the mean share of false positives on unseen background: a column per segmenter and model, a row per seed."""
    models = [BASELINE, *dict.fromkeys(adaptation.suppression["model"])]
    table = matching(adaptation.images, dataset=adaptation.background).pivot_table(
        index="seed", columns=["segmenter", "model"], values="false_positive_share", aggfunc="mean"
    )
    columns = pd.MultiIndex.from_product([adaptation.segmenters, models])
    return table.reindex(index=adapted.seeds_of(adaptation, models), columns=columns)
