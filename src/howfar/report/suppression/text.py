"""Say in sentences, and in a table, what background images did to false positives, and at what cost."""

from __future__ import annotations

from typing import Any

from howfar.numbers import signed
from howfar.report.adaptation.text import CHANGE, COST, Change, points
from howfar.report.tables import UNDEFINED, Cell, Column, Table, with_interval
from howfar.report.text import plural
from howfar.results.suppression import Suppression

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
