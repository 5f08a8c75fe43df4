"""Draw figs. 31 and 32 of the paper: how far each person under each value is from one person under one value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from howfar.arrays import Float64Array
from howfar.figures.frame import head_panel, name_legend
from howfar.figures.style import COLOURS, I_DIST, INK, MUTED, PAPER, WIDTH, blank, drawing, head, name_text, plain
from howfar.figures.violin import FEW, shape
from howfar.numbers import share
from howfar.results.identity import PLAIN, Identity, called

OWN, OTHER = COLOURS[0], COLOURS[1]
HALF = 0.44
HEIGHT = 2.35
MOST_VALUES = 48
"""Sets up to which each is labelled by its value; of more, the persons alone are."""
MOST_PERSONS = 14


def identity_violins(result: Identity, backbone: str, perturbation: str = PLAIN) -> Figure:
    """Draw I^dist of the images of every set from the first primary set, one panel a variation (fig. 31).

    Blue sets are of the same person, orange ones of others; dots are O^dist. The dashed line is at the farthest set of the same
    person: an orange dot on or below it violates equations 9 to 11.
    """
    with drawing():
        figure = blank(WIDTH, 0.95 + HEIGHT * len(result.variations))
        panels = figure.subplots(len(result.variations), 1, squeeze=False)[:, 0]
        for axes, variation in zip(panels, result.variations, strict=True):
            _panel(axes, result, backbone, perturbation, variation)
        _finish(figure, f"Distances of persons by {backbone}{_with(perturbation)}")
    return figure


def identity_before_after(result: Identity, backbone: str, perturbation: str) -> Figure:
    """Draw the panels of `identity_violins` for images as they are (left) and perturbed (right), by variation (fig. 32)."""
    with drawing():
        figure = blank(WIDTH, 0.95 + HEIGHT * len(result.variations))
        panels = figure.subplots(len(result.variations), 2, squeeze=False)
        for line, variation in zip(panels, result.variations, strict=True):
            for axes, change in zip(line, (PLAIN, perturbation), strict=True):
                _panel(axes, result, backbone, change, variation, narrow=True)
                name = "as they are" if change == PLAIN else f"with {change}"
                head_panel(axes, f"{variation}, {name}", _violated(result, backbone, change, variation), longest=40)
        _finish(figure, f"Distances of persons by {backbone}, images as they are and with {perturbation}")
    return figure


def primary_set(result: Identity, variation: str) -> tuple[str, str]:
    """Return person and value of the primary set that the figures show: the first that distances were measured from."""
    sets = result.sets[(result.sets["variation"] == variation) & result.sets["reference"]]
    return str(sets["person"].iloc[0]), str(sets["value"].iloc[0])


def _with(perturbation: str) -> str:
    return "" if perturbation == PLAIN else f", images with {perturbation}"


def _violated(result: Identity, backbone: str, perturbation: str, variation: str) -> str:
    """Name the primary set of a panel, and say what share of its pairs is violated."""
    person, value = primary_set(result, variation)
    rows = result.named(backbone, perturbation, variation, "references")
    row = rows[(rows["person"] == person) & (rows["value"] == value)].iloc[0]
    return f"P: {called(person)}, {variation} {value}; {share(float(row['violated']))} of pairs violated"


def _panel(axes: Axes, result: Identity, backbone: str, perturbation: str, variation: str, narrow: bool = False) -> None:
    images = result.named(backbone, perturbation, variation)
    person, value = primary_set(result, variation)
    sets = _ordered(result.sets[result.sets["variation"] == variation], person, value)
    by_set = dict(tuple(images.groupby(["person", "value"], sort=False)["i_dist_mean"]))
    farthest = 0.0
    for place, key in enumerate(zip(sets["person"], sets["value"], strict=True)):
        values = np.sort(np.asarray(by_set[key], dtype=np.float64))
        own = key[0] == person
        _violin(axes, values, place, OWN if own else OTHER, f"{key[0]} {key[1]}")
        farthest = max(farthest, float(values.mean())) if own else farthest
    axes.axhline(farthest, color=MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
    _label(axes, sets, variation, narrow)
    head_panel(axes, variation, _violated(result, backbone, perturbation, variation))


def _ordered(sets: pd.DataFrame, person: str, value: str) -> pd.DataFrame:
    """Put the sets of the primary's person first, and leave the primary set out."""
    own = sets["person"] == person
    return pd.concat([sets[own & (sets["value"] != value)], sets[~own]], ignore_index=True)


def _violin(axes: Axes, values: Float64Array, place: int, colour: str, label: str) -> None:
    spots: dict[str, Any] = {"color": colour, "ms": 4, "mec": PAPER, "mew": 0.3, "ls": "none", "marker": "o"}
    if len(values) > FEW and values[0] < values[-1]:
        at, height = shape(values)
        axes.fill_betweenx(at, place - HALF * height, place + HALF * height, color=colour, alpha=0.7, lw=0, label=label)
    else:
        axes.plot(np.full(len(values), place), values, label=label, alpha=0.8 if len(values) > 1 else 1.0, **spots)
    if len(values) > 1:
        axes.plot([place], [values.mean()], marker="o", ms=3, color=INK, mec=PAPER, mew=0.5, label=f"mean:{label}")


def _label(axes: Axes, sets: pd.DataFrame, variation: str, narrow: bool) -> None:
    """Label sets by their values where there is room, and each person's sets by the person."""
    people = list(dict.fromkeys(sets["person"]))
    few = len(sets) <= (MOST_VALUES // 2 if narrow else MOST_VALUES)
    axes.set_xlim(-0.7, len(sets) - 0.3)
    axes.set_xticks(range(len(sets)) if few else [], labels=[name_text(value, 6) for value in sets["value"]] if few else [])
    axes.tick_params(axis="x", length=0, labelsize=7)
    axes.grid(visible=False, axis="x")
    axes.grid(visible=True, axis="y")
    named = people if len(people) <= (MOST_PERSONS // 2 if narrow else MOST_PERSONS) else people[:1]
    for person in people:
        places = np.flatnonzero(sets["person"] == person)
        if places[0]:
            axes.axvline(places[0] - 0.5, color=MUTED, lw=0.5, alpha=0.6)
        if person not in named:
            continue
        text = name_text(person, 10) if len(people) > 4 else name_text(called(person), 18)
        below = (0, -16 if few else -4)
        at = axes.annotate(text, (places.mean(), 0), below, xycoords=("data", "axes fraction"), textcoords="offset points")
        at.set(ha="center", va="top", fontsize=8, color=INK)
        plain(at)
    axes.set_ylabel(f"{I_DIST} / n", fontsize=8.5)
    for label in axes.get_xticklabels():
        plain(label)


def _finish(figure: Figure, title: str) -> None:
    handles: Sequence[Any] = (
        Patch(color=OWN, alpha=0.7, label="same person"),
        Patch(color=OTHER, alpha=0.7, label="another person"),
        Line2D([], [], color=INK, marker="o", ls="none", ms=4, label="mean: O^dist"),
        Line2D([], [], color=MUTED, lw=1, ls=(0, (4, 3)), label="farthest O^dist of the same person"),
    )
    name_legend(figure, handles, 4)
    head(figure, title, "An orange mean on or below the dashed line is as near to P as a blue one or nearer: a violated pair.")
