"""Report the effect of background images for several segmenters (appendix C, figs. 13 to 17)."""

from __future__ import annotations

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from howfar.figures import Caption
from howfar.figures.adaptation_gains import SuppressionRow, draw_suppression
from howfar.figures.adaptation_models import CHANGE, COST, Change
from howfar.figures.adaptation_scores import adaptation_bars, adaptation_curves_background, bars_caption
from howfar.figures.style import look, name_text
from howfar.report.adaptation_report import ABSENT, beside, curves, folder_of, priced, rows_part
from howfar.report.adaptation_sentences import did, in_points, price
from howfar.report.section import Cell, Context, FigurePart, Part, Section, Table, TablePart, plural, row_interval, tabulate
from howfar.results.adaptation_result import Adaptations
from howfar.results.records import matching
from howfar.results.segmenter_studies import Suppression


def suppression(result: Suppression) -> Figure:
    """Draw false positives of M and of the most-shots models without and with background, a row per model.

    Left: share of the pixels of background that no model learnt from, with its 95 % interval over photographs and trainings.
    Right: how mean F of the secondaries changed by adding the background, with its 95 % interval. Rows of a segmenter stand
    together, in one colour.
    """
    costs = {(row["segmenter"], row["model"]): Change.of(row, *COST) for row in result.changes.to_dict("records")}
    look_of = {name: look(position) for position, name in enumerate(result.segmenters)}
    rows = []
    for row in result.shares.to_dict("records"):
        segmenter, model = str(row["segmenter"]), str(row["model"])
        share = Change.of(row, "share", "low", "high")
        rows.append(SuppressionRow(segmenter, model, look_of[segmenter], share, (), costs.get((segmenter, model))))
    images = f"{result.left} image{plural(result.left)} of {name_text(result.background)}"
    return draw_suppression(rows, f"on {images} that no model learnt from; lines are 95 % intervals")


Row = dict[Any, Any]


def lead(result: Suppression) -> str:
    """State each segmenter's change in false positives and mean F from the most background images, with intervals."""
    told, clear = [], False
    for name in result.segmenters:
        row = _most(result, name)
        change, cost = Change.of(row, *CHANGE), Change.of(row, *COST)
        clear = clear or change.below or change.above or cost.below or cost.above
        unbounded = "changed false positives by an amount without an interval"
        lowered = f"{did(change)} false positives" if change.bounded else unbounded
        paid = f"{price(cost)} of the secondaries ({cost})" if cost.known else "and what that cost was not measured"
        told.append(f"with {name} they {lowered} ({in_points(change)}) {paid}")
    single = " With one seed that may be a difference of two trainings." if clear and len(result.seeds) == 1 else ""
    model = _most(result, result.segmenters[0])["model"]
    return f"Background images, the most that were tried ({model}): {'; '.join(told)}.{single}"


def _most(result: Suppression, segmenter: str) -> Row:
    """Return the row of the first strategy's model with the most background."""
    rows = result.changes[(result.changes["segmenter"] == segmenter) & (result.changes["of"] != "")]
    most: Row = rows[rows["of"] == rows["of"].iloc[0]].to_dict("records")[-1]
    return most


def sentences(result: Suppression) -> list[str]:
    """State each segmenter's shares of false positives without and with background."""
    lines = []
    for name in result.segmenters:
        rows = matching(result.shares, segmenter=name).to_dict("records")
        shares = ", ".join(f"{row['model']} {100 * row['share']:.2f} %" for row in rows)
        lines.append(f"{name}: false positives of {shares}.")
    return lines


def table(result: Suppression) -> Table:
    """List false positive shares, their change by background, and its cost, a row per segmenter and model."""
    changes = {(row["segmenter"], row["model"]): row for row in result.changes.to_dict("records") if row["of"]}
    share = "share of pixels above the model's own threshold, with its interval over photographs and trainings"

    def price_of(row: Row) -> tuple[Cell, Cell]:
        return priced(changes.get((row["segmenter"], row["model"])))

    return tabulate(
        result.shares.to_dict("records"),
        ("segmenter", "", lambda row: Cell(str(row["segmenter"]))),
        ("model", "", lambda row: Cell(str(row["model"]))),
        ("false positives", share, lambda row: row_interval(row, "share", lambda value: f"{100 * value:.2f} %", "low", "high")),
        ("change, points", "from the same model without background", lambda row: price_of(row)[0]),
        ("change of mean F", "on the secondaries; marked where the interval lies below 0", lambda row: price_of(row)[1]),
    )


def limits(result: Suppression) -> list[str]:
    """List the limits of the numbers."""
    few = "" if result.left > 1 else " One photograph gives no interval."
    return [
        f"False positives are measured on {result.left} image{plural(result.left)} of {result.background} that no model learnt "
        f"from, and say nothing of other backgrounds.{few}",
        "An interval that holds 0 does not prove that background costs nothing.",
        "Shares are at each model's own threshold, tuned on P: a model that is unsure everywhere may have few false positives.",
    ]


FIGURES = {"deepcrack": "Figure 14", "unetplusplus": "Figure 15", "adsam": "Figure 16"}


def section(result: Suppression, context: Context) -> Section:
    """Build the section of a study of suppression."""
    title = "False positives and their price"
    caption = Caption(
        title,
        f"Left: share of pixels of {result.background} that are taken for foreground although nothing is there. Right: how "
        "mean F of the secondaries changed by adding the background to what the model learnt from. Lines are 95 % intervals.",
        lead(result),
    )
    cells = (
        "Share of the pixels of background above the model's own threshold, mean over images and seeds; its change from the "
        "same model without background, in percentage points; and what that cost on the secondaries. Brackets are 95 % "
        "intervals."
    )
    studied = beside(result.of, context.folder)
    drawn = [] if studied is None else _figures(result, studied, context)
    return Section(
        lead=lead(result),
        sentences=sentences(result),
        parts=[
            FigurePart("shares", partial(suppression, result), caption),
            TablePart("shares", title, table(result), cells),
            *drawn,
        ],
        limits=[*limits(result), *([ABSENT] if studied is None else [])],
    )


def _figures(result: Suppression, studied: Adaptations, context: Context) -> list[Part]:
    """Build figs. 13 to 17: pictures of blind sets (else of background), curves and bars of the secondaries."""
    datasets, folder = studied.first.blind or (result.background,), folder_of(result.of, context.folder)
    bars = partial(adaptation_bars, studied, background=True)
    return [
        rows_part(studied, folder, datasets, "rows", "Figure 13", background=True),
        *curves(studied, adaptation_curves_background, FIGURES),
        FigurePart("bars", bars, bars_caption(studied, background=True), "Figure 17"),
    ]
