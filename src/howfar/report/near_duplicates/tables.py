"""Make tables of images that are equal or nearly so: how many between which datasets, and which."""

from __future__ import annotations

from howfar.figures.near_duplicates import ordered_pairs
from howfar.report.tables import Cell, Column, Table, count, percentage
from howfar.results import Comparison

MOST = 200


def counts(comparison: Comparison) -> Table:
    """Count pairs by dataset and by what they are copies of."""
    columns = (
        Column("images of"),
        Column("that are images of"),
        Column("equal", "byte for byte"),
        Column("nearly equal", "saved anew, resized, cropped a little, mirrored, of one burst …"),
        Column("left out", "of all that was measured, as --leaks drop asks"),
    )
    rows = []
    for (dataset, other), pairs in comparison.near_duplicates.groupby(["dataset", "other_dataset"], sort=False):
        equal = int((pairs["kind"] == "equal").sum())
        same = Cell(f"{other} itself" if dataset == other else str(other))
        rows.append((Cell(str(dataset)), same, count(equal), count(len(pairs) - equal), count(int(pairs["dropped"].sum()))))
    return Table(columns, tuple(rows))


def pairs(comparison: Comparison, most: int = MOST) -> Table:
    """List pairs in the order of the figure: those with the primary dataset first, the least alike first; at most so many."""
    columns = (
        Column("image"),
        Column("dataset"),
        Column("is"),
        Column("the image"),
        Column("of"),
        Column("equal bits", "share of the 256 bits of their perceptual hashes that are equal; unrelated images have a half"),
        Column("found by", "content: the same bytes; hash: of all pairs; features: among the five nearest images of P too"),
    )
    rows = []
    for row in ordered_pairs(comparison).head(most).to_dict("records"):
        kind = "equal to" if row["kind"] == "equal" else "nearly, mirrored," if row["mirrored"] else "nearly"
        names = (Cell(row["image"]), Cell(row["dataset"]), Cell(kind), Cell(row["other"]), Cell(row["other_dataset"]))
        rows.append((*names, percentage(row["agreement"]), Cell(row["found_by"])))
    return Table(columns, tuple(rows))
