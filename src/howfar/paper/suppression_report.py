"""Report what background images changed for several segmenters (appendix C, figs. 13 to 17)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures import Caption
from howfar.figures.adaptation_gains import SUPPRESSION_TITLE
from howfar.figures.adaptation_models import change_text
from howfar.figures.adaptation_rows import adaptations_rows
from howfar.figures.adaptation_scores import adaptation_curves_background, adaptations_bars
from howfar.figures.style import (
    INK,
    MUTED,
    WIDTH,
    Look,
    blank,
    drawing,
    head,
    head_numbers,
    look,
    name_rows,
    name_text,
    row_number,
)
from howfar.report.adaptation_by_segmenter import ABSENT, bars_caption, beside, curves, folder_of, rows_caption
from howfar.report.adaptation_sentences import CHANGE, COST, Change, points
from howfar.report.section import (
    UNDEFINED,
    Cell,
    Column,
    Context,
    FigurePart,
    Part,
    Section,
    Table,
    TablePart,
    plural,
    with_interval,
)
from howfar.results.segmenter_studies import Adaptations, Suppression
from howfar.wording import signed


def suppression(result: Suppression) -> Figure:
    """Draw false positives of M, and of the models with the most shots without and with background, one row a model.

    Left: share of the pixels of background that no model learnt from, with its 95 % interval over photographs and trainings.
    Right: how mean F of the secondaries changed by adding the background, with its 95 % interval. Rows of a segmenter stand
    together, in one colour.
    """
    shares = result.shares.to_dict("records")
    changes = {(row["segmenter"], row["model"]): row for row in result.changes.to_dict("records")}
    look_of = {name: look(position) for position, name in enumerate(result.segmenters)}
    with drawing():
        figure = blank(WIDTH, 1.5 + 0.31 * len(shares))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.35, 1.0))
        for position, row in enumerate(shares):
            own = look_of[str(row["segmenter"])]
            ends = tuple(100 * float(row[name]) for name in ("share", "low", "high"))
            _dot(left, position, ends, own, f"{row['segmenter']}:{row['model']}", f"{ends[0]:.2f} %")
            change = changes.get((row["segmenter"], row["model"]))
            if change is not None:
                cost = tuple(float(change[name]) for name in ("cost", "cost_low", "cost_high"))
                _dot(right, position, cost, own, f"cost:{row['segmenter']}:{row['model']}", change_text(*cost))
            if position and row["segmenter"] != shares[position - 1]["segmenter"]:
                for axes in (left, right):
                    axes.axhline(position - 0.5, color=MUTED, lw=0.6, alpha=0.6)
        _frame(left, right, [name_text(f"{row['segmenter']} · {row['model']}", 36) for row in shares])
        images = f"{result.left} image{'' if result.left == 1 else 's'} of {name_text(result.background)}"
        head(figure, SUPPRESSION_TITLE, f"on {images} that no model learnt from; lines are 95 % intervals")
    return figure


def _dot(axes: Axes, position: int, ends: tuple[float, ...], own: Look, label: str, text: str) -> None:
    value, low, high = ends
    if np.isnan(value):
        return
    line: dict[str, Any] = {"color": own.colour, "zorder": 2.4, "clip_on": False}
    axes.plot([low, high], [position, position], lw=1.8, label=f"interval:{label}", **line)
    axes.plot([value], [position], marker="o", ms=6.5, label=label, **line)
    row_number(axes, position, text)


def _frame(left: Axes, right: Axes, names: list[str]) -> None:
    name_rows(left, names)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(left=0)
    left.tick_params(axis="y", pad=8)
    left.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    left.set_title("false positives, the fewer the better")
    left.set_xlabel("share of pixels")
    head_numbers(left, "mean")
    right.axvline(0, color=MUTED, lw=1.1, label="_nothing")
    right.margins(x=0.1)
    right.locator_params(axis="x", nbins=5)
    right.tick_params(axis="y", length=0)
    right.set_title("what background cost", color=INK)
    right.set_xlabel("change of mean F on the secondaries")
    head_numbers(right, "[95 % interval]")


Row = dict[Any, Any]


def lead(result: Suppression) -> str:
    """Say for every segmenter how the most background images changed false positives and mean F, with intervals."""
    told, clear = [], False
    for name in result.segmenters:
        row = _most(result, name)
        change, cost = Change.of(row, *CHANGE), Change.of(row, *COST)
        clear = clear or change.below or change.above or cost.below or cost.above
        told.append(f"with {name} they {_did(change)} ({_points(change)}) {_price(cost)}")
    single = " With one seed that may be a difference of two trainings." if clear and len(result.seeds) == 1 else ""
    model = _most(result, result.segmenters[0])["model"]
    return f"Background images, the most that were tried ({model}): {'; '.join(told)}.{single}"


def _most(result: Suppression, segmenter: str) -> Row:
    """Return the row of the first strategy's model with the most background."""
    rows = result.changes[(result.changes["segmenter"] == segmenter) & (result.changes["of"] != "")]
    most: Row = rows[rows["of"] == rows["of"].iloc[0]].to_dict("records")[-1]
    return most


def _did(change: Change) -> str:
    if not change.bounded:
        return "changed false positives by an amount without an interval"
    if change.below:
        return "lowered false positives"
    return "raised false positives" if change.above else "did not provably change false positives"


def _points(change: Change) -> str:
    interval = f" [{points(change.low)}, {points(change.high)}]" if change.bounded else ""
    return f"{points(change.value)}{interval} percentage points"


def _price(cost: Change) -> str:
    if not cost.known:
        return "and what that cost was not measured"
    if cost.below:
        return f"at a cost in mean F of the secondaries ({cost})"
    return f"{'with a rise of mean F' if cost.above else 'with no provable cost in mean F'} of the secondaries ({cost})"


def sentences(result: Suppression) -> list[str]:
    """Write the shares of the models without and with background, a sentence a segmenter."""
    lines = []
    for name in result.segmenters:
        rows = result.shares[result.shares["segmenter"] == name].to_dict("records")
        shares = ", ".join(f"{row['model']} {100 * row['share']:.2f} %" for row in rows)
        lines.append(f"{name}: false positives of {shares}.")
    return lines


def table(result: Suppression) -> Table:
    """List shares of false positives, their change by background, and its cost, a row a segmenter and model."""
    columns = (
        Column("segmenter"),
        Column("model"),
        Column(
            "false positives",
            "share of pixels above the model's own threshold, with its interval over photographs and trainings",
        ),
        Column("change, points", "from the same model without background"),
        Column("change of mean F", "on the secondaries; marked where the interval lies below 0"),
    )
    changes = {(row["segmenter"], row["model"]): row for row in result.changes.to_dict("records") if row["of"]}
    rows = []
    for row in result.shares.to_dict("records"):
        own = changes.get((row["segmenter"], row["model"]))
        share = with_interval(row["share"], row["low"], row["high"], lambda value: f"{100 * value:.2f} %")
        rows.append((Cell(str(row["segmenter"])), Cell(str(row["model"])), share, *_changes(own)))
    return Table(columns, tuple(rows))


def _changes(row: Row | None) -> tuple[Cell, Cell]:
    if row is None:
        return UNDEFINED, UNDEFINED
    cost = with_interval(row["cost"], row["cost_low"], row["cost_high"], lambda value: signed(value, 3))
    marked = Cell(cost.text, cost.sort, strong=row["cost_high"] < 0)
    return with_interval(row["change"], row["low"], row["high"], points), marked


def limits(result: Suppression) -> list[str]:
    """Say what the numbers do not tell."""
    few = "" if result.left > 1 else " One photograph gives no interval."
    return [
        f"False positives are measured on {result.left} image{plural(result.left)} of {result.background} that no model learnt "
        f"from, and say nothing of other backgrounds.{few}",
        "An interval that holds 0 does not prove that background costs nothing.",
        "Shares are at each model's own threshold, tuned on P: a model that is unsure everywhere may have few false positives.",
    ]


FIGURES = {"deepcrack": "Figure 14", "unetplusplus": "Figure 15", "adsam": "Figure 16"}


def section(result: Suppression, context: Context) -> Section:
    """Make the section of a study of suppression."""
    studied = beside(result.of, context.folder)
    drawn = [] if studied is None else _figures(result, studied, context)
    return Section(
        lead=lead(result),
        sentences=sentences(result),
        parts=[
            FigurePart("shares", partial(suppression, result), _caption(result)),
            TablePart("shares", "False positives and their price", table(result), _TABLE),
            *drawn,
        ],
        limits=[*limits(result), *([ABSENT] if studied is None else [])],
    )


_TABLE = (
    "Share of the pixels of background above the model's own threshold, mean over images and seeds; its change from the same "
    "model without background, in percentage points; and what that cost on the secondaries. Brackets are 95 % intervals."
)


def _caption(result: Suppression) -> Caption:
    return Caption(
        "False positives and their price",
        f"Left: share of pixels of {result.background} that are taken for foreground although nothing is there. Right: how "
        "mean F of the secondaries changed by adding the background to what the model learnt from. Lines are 95 % intervals.",
        lead(result),
    )


def _figures(result: Suppression, studied: Adaptations, context: Context) -> list[Part]:
    """Make figs 13 to 17: pictures of the blind sets, or of the background without any; curves and bars of the secondaries."""
    datasets = studied.first.blind or (result.background,)
    rows = partial(adaptations_rows, studied, datasets, folder=folder_of(result.of, context.folder), background=True)
    bars = partial(adaptations_bars, studied, background=True)
    return [
        FigurePart("rows", rows, rows_caption(studied, datasets, background=True), "Figure 13"),
        *curves(studied, adaptation_curves_background, FIGURES),
        FigurePart("bars", bars, bars_caption(studied, background=True), "Figure 17"),
    ]
