"""Draw what every model of an adaptation study gained over the unadapted one, and over random, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.adaptation_models import RANDOM, arms, change_text, looks, strategies, study_note
from howfar.figures.frame import head_numbers, nothing, row_number
from howfar.figures.registration import Caption, registered
from howfar.figures.style import MUTED, PAPER, WIDTH, Look, blank, drawing, head, name_rows, name_text
from howfar.results.adaptation import ALL, Adaptation

TITLE = "Gain of mean F"


def _caption(adaptation: Adaptation) -> Caption:
    rows = sorted_gains(adaptation).to_dict("records")
    values = [f"{row['model']} {change_text(row['gain'], row['low'], row['high'])}" for row in rows]
    rivals = RANDOM in strategies(adaptation)
    against = (
        " Right: how much more than random's model with as many images; bold names are models that this holds of, or the "
        "opposite, after correction for the number of strategies."
        if rivals
        else ""
    )
    return Caption(
        "Gain over M",
        "Change of mean F on images that no model learnt from, all secondaries alike, with its 95 % interval over photographs "
        f"and seeds. Models with as many images stand together.{' Hollow, on grey: random.' if rivals else ''}{against}",
        f"Dots with intervals, one row a model: {'; '.join(values)}.",
    )


@registered(_caption, shows=lambda adaptation: adaptation.gains["gain"].notna().any())
def adaptation_gains(adaptation: Adaptation) -> Figure:
    """Draw every model's gain of mean F over the unadapted one with its 95 % interval, and beside it the gain over random.

    Each secondary counts alike. Models with as many shots stand together, the largest gain first. Models of random are hollow,
    on a grey band. The right panel is there where random was a strategy: a model whose interval, corrected for the number of
    strategies, lies above or below 0 has its name in bold. One row a model.
    """
    rows = sorted_gains(adaptation)
    if not len(rows):
        return nothing(TITLE, "no model was adapted")
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
        _frame(panels, rows)
        note = study_note(adaptation, ", all secondaries alike; lines are 95 % intervals; hollow, on grey: random")
        head(figure, TITLE, note)
    return figure


def sorted_gains(adaptation: Adaptation) -> pd.DataFrame:
    """Sort the pooled row of each model: without background first, the fewest shots first, then the largest gain first."""
    pooled = adaptation.gains[(adaptation.gains["dataset"] == ALL) & adaptation.gains["gain"].notna()]
    rows = pooled.merge(arms(adaptation), on="model")
    rows = rows.assign(with_background=rows["background"] > 0)
    keys = ["with_background", "shots", "background", "gain"]
    return rows.sort_values(keys, ascending=[True, True, True, False], kind="stable").reset_index(drop=True)


def _panel(axes: Axes, rows: pd.DataFrame, columns: Sequence[str], look_of: dict[str, Look]) -> None:
    axes.axvline(0, color=MUTED, lw=1.1, zorder=2.0, label="_nothing")
    head_numbers(axes, "[95 % interval]")
    for position, row in enumerate(rows.to_dict("records")):
        value, low, high = (float(row[name]) for name in columns)
        if np.isnan(value):
            continue
        colour, hollow = look_of[str(row["model"])].colour, row["strategy"] == RANDOM
        axes.plot([low, high], [position, position], color=colour, lw=1.8, zorder=2.3, label=f"interval:{row['model']}")
        marker, face = ("D", PAPER) if hollow else ("o", colour)
        dot: dict[str, Any] = {"ms": 6, "mec": colour, "mew": 1.4, "mfc": face, "ls": "none", "zorder": 2.5}
        axes.plot([value], [position], marker=marker, label=str(row["model"]), **dot)
        row_number(axes, position, change_text(value, low, high), 8)


def _frame(panels: Sequence[Axes], rows: pd.DataFrame) -> None:
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
