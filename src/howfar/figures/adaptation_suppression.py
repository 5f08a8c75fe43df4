"""Draw what background images changed (appendix C of the paper): false positives, and the cost in F elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.adaptation_models import PLAIN, change_text, looks, seeds_of, seeds_text
from howfar.figures.frame import head_numbers, nothing, row_number
from howfar.figures.registration import Caption, registered
from howfar.figures.style import MUTED, PAPER, WIDTH, Look, blank, drawing, head, name_rows, name_text
from howfar.results.adaptation import BASELINE, Adaptation

TITLE = "False positives with and without background images"


def _caption(adaptation: Adaptation) -> Caption:
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


@registered(_caption, shows=lambda adaptation: len(adaptation.suppression) > 0)
def adaptation_suppression(adaptation: Adaptation) -> Figure:
    """Draw false positives of the unadapted model, and of those with the most shots, without and with background images.

    Left: hollow dots are seeds, the filled one their mean; a pixel counts where the model's probability is above its own
    threshold although there is nothing to find. Right: how mean F of the secondaries changed by adding the background, with
    its 95 % interval. One row a model, M first.
    """
    if not len(adaptation.suppression):
        return nothing(TITLE, "no model learnt from background images, or none was left to measure on")
    models = [BASELINE, *adaptation.suppression["model"]]
    shares = by_seed(adaptation, models)
    look_of = looks(adaptation)
    with drawing():
        figure = blank(WIDTH, 1.5 + 0.31 * len(models))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.35, 1.0))
        for position, model in enumerate(models):
            _share(left, shares[model].dropna(), position, model, look_of.get(model, PLAIN))
        for position, row in enumerate(adaptation.suppression.to_dict("records"), 1):
            _cost(right, row, position, look_of.get(str(row["model"]), PLAIN))
        _frame(left, right, [name_text(model, 30) for model in models], float(np.nanmax(shares.to_numpy())))
        seeds = seeds_text(list(shares.index))
        dots = "; hollow: single seeds" if len(shares) > 1 else ""
        head(figure, TITLE, f"on {name_text(str(adaptation.background))} that no model learnt from; {seeds}{dots}")
    return figure


def by_seed(adaptation: Adaptation, models: list[str]) -> pd.DataFrame:
    """Average the share of false positives, a row a seed in which all of the models were trained, a column a model.

    It is the mean over the background images that were left out, as in `Adaptation.suppression`.
    """
    images = adaptation.images
    table = images[images["dataset"] == adaptation.background].pivot_table(
        index="seed", columns="model", values="false_positive_share", aggfunc="mean"
    )
    return table.reindex(index=seeds_of(adaptation, models), columns=models)


def _share(axes: Axes, shares: pd.Series[float], position: int, model: str, look: Look) -> None:
    if shares.empty:
        return
    dot: dict[str, Any] = {"marker": "o", "ls": "none", "mec": look.colour, "mew": 1.2, "zorder": 2.4}
    if len(shares) > 1:
        axes.plot(shares, [position] * len(shares), ms=4.5, mfc=PAPER, label=f"seeds:{model}", **dot)
    mean = float(shares.mean())
    axes.plot([mean], [position], ms=7, mfc=look.colour, label=model, **dot)
    row_number(axes, position, f"{100 * mean:.2f} %")


def _cost(axes: Axes, row: Any, position: int, look: Look) -> None:
    value, low, high = (float(row[name]) for name in ("cost", "cost_low", "cost_high"))
    if np.isnan(value):
        return
    axes.plot([low, high], [position, position], color=look.colour, lw=1.8, label=f"interval:{row['model']}")
    axes.plot([value], [position], marker="o", ms=6, color=look.colour, label=str(row["model"]))
    row_number(axes, position, change_text(value, low, high))


def _frame(left: Axes, right: Axes, names: list[str], top: float) -> None:
    name_rows(left, names)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(0, 1.06 * top if top > 0 else 0.01)
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
