"""Report what background images changed for several segmenters (appendix C, figs. 13 to 17)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures import Caption
from howfar.figures.adaptation_gains import SUPPRESSION_TITLE
from howfar.figures.adaptation_models import change_text
from howfar.figures.adaptation_rows import adaptations_rows
from howfar.figures.adaptation_scores import adaptation_curves_background, adaptations_bars
from howfar.figures.forest import ForestRow, forest, frame_forest
from howfar.figures.style import (
    INK,
    MUTED,
    WIDTH,
    blank,
    drawing,
    head,
    head_numbers,
    look,
    name_text,
)
from howfar.report.adaptation_by_segmenter import ABSENT, bars_caption, beside, curves, folder_of, rows_caption
from howfar.report.adaptation_sentences import CHANGE, COST, Change, points
from howfar.report.section import (
    UNDEFINED,
    Cell,
    Context,
    FigurePart,
    Part,
    Section,
    Table,
    TablePart,
    plural,
    row_interval,
    tabulate,
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

    def share(row: Row) -> ForestRow:
        name, (value, low, high) = f"{row['segmenter']}:{row['model']}", (100 * row[end] for end in ("share", "low", "high"))
        return ForestRow(name, value, low, high, replace(look_of[row["segmenter"]], marker="o"), f"{value:.2f} %")

    def cost(place: int, row: Row) -> Iterator[ForestRow]:
        value, low, high = (float(row[name]) for name in ("cost", "cost_low", "cost_high"))
        if value == value:
            seen, name = replace(look_of[row["segmenter"]], marker="o"), f"cost:{row['segmenter']}:{row['model']}"
            yield ForestRow(name, value, low, high, seen, change_text(value, low, high), place)

    with drawing():
        figure = blank(WIDTH, 1.5 + 0.31 * len(shares))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.35, 1.0))
        style: dict[str, Any] = {"width": 1.8, "size": 6.5, "clip_on": False, "solid_capstyle": "projecting"}
        forest(left, map(share, shares), **style)
        keys = [(row["segmenter"], row["model"]) for row in shares]
        forest(right, (one for at, key in enumerate(keys) if key in changes for one in cost(at, changes[key])), **style)
        groups = [place for place in range(1, len(keys)) if keys[place][0] != keys[place - 1][0]]
        for axes in (left, right):
            frame_forest(axes, [name_text(f"{segmenter} · {model}", 36) for segmenter, model in keys], groups)
        _frame(left, right)
        images = f"{result.left} image{'' if result.left == 1 else 's'} of {name_text(result.background)}"
        head(figure, SUPPRESSION_TITLE, f"on {images} that no model learnt from; lines are 95 % intervals")
    return figure


def _frame(left: Axes, right: Axes) -> None:
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
    changes = {(row["segmenter"], row["model"]): row for row in result.changes.to_dict("records") if row["of"]}
    share = "share of pixels above the model's own threshold, with its interval over photographs and trainings"

    def change(row: Row) -> Cell:
        own = changes.get((row["segmenter"], row["model"]))
        return UNDEFINED if own is None else row_interval(own, "change", points, "low", "high")

    def cost(row: Row) -> Cell:
        own = changes.get((row["segmenter"], row["model"]))
        return UNDEFINED if own is None else row_interval(own, "cost", _three, strong=own["cost_high"] < 0)

    return tabulate(
        result.shares.to_dict("records"),
        ("segmenter", "", lambda row: Cell(str(row["segmenter"]))),
        ("model", "", lambda row: Cell(str(row["model"]))),
        (
            "false positives",
            share,
            lambda row: row_interval(row, "share", lambda value: f"{100 * value:.2f} %", "low", "high"),
        ),
        ("change, points", "from the same model without background", change),
        ("change of mean F", "on the secondaries; marked where the interval lies below 0", cost),
    )


def _three(value: float) -> str:
    return signed(value, 3)


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
