"""Make the tables of the study of identity: the claims of equations 9 to 11, and the variations."""

from __future__ import annotations

from howfar.numbers import share, signed
from howfar.report.tables import Cell, Column, Table, change, count, percentage, with_interval
from howfar.report.text import listing
from howfar.results.identity import PLAIN, Identity


def claims_table(result: Identity) -> Table:
    """Make the table of violated pairs and margins, a row a backbone, variation and perturbation."""
    columns = (
        Column("backbone"),
        Column("variation"),
        Column("images", "as they are, or perturbed"),
        Column("pairs", "of another set of the same person with a set of another, over all primary sets"),
        Column("violated [95 % CI]", "share of pairs in which the other person is not farther"),
        Column("blind", "the share to expect of distances that see the value and not the person"),
        Column("change [95 % CI]", "of that share, in percentage points, from images as they are; both share their draws"),
        Column("margin [95 % CI]", "nearest other over farthest own, minus 1: the median over primary sets"),
        Column("least", "the smallest margin of a primary set"),
        Column("hold", "share of primary sets from which no pair is violated"),
    )
    rows = []
    for row in result.claims.to_dict("records"):
        plain = row["perturbation"] == PLAIN
        rows.append(
            (
                Cell(str(row["backbone"])),
                Cell(str(row["variation"])),
                Cell("as they are" if plain else str(row["perturbation"])),
                count(int(row["pairs"])),
                with_interval(row["violated"], row["low"], row["high"], share),
                percentage(row["blind"]),
                with_interval(row["change"], row["change_low"], row["change_high"], points),
                with_interval(row["margin"], row["margin_low"], row["margin_high"], lambda value: signed(value, 3)),
                change(None if row["least"] != row["least"] else float(row["least"])),
                percentage(row["holding"] / row["references"], strong=row["holding"] == row["references"]),
            )
        )
    return Table(columns, tuple(rows))


def points(value: float) -> str:
    """Write a change of a share in percentage points.

    Examples
    --------
    >>> points(0.0312), points(-0.2)
    ('+3.1', '−20.0')
    """
    return signed(100 * value, 1)


def variations_table(result: Identity) -> Table:
    """Make table 9: the values of each variation, and the images of a set."""
    columns = (
        Column("variation"),
        Column("values"),
        Column("sets", "persons times values, where all are seen"),
        Column("measured from", "sets that were primary"),
        Column("images a set"),
        Column("which"),
    )
    rows = []
    for variation in result.variations:
        sets = result.sets[result.sets["variation"] == variation]
        values, images = list(dict.fromkeys(sets["value"])), sets["images"]
        low, high = int(images.min()), int(images.max())
        size = Cell(f"{low}" if low == high else f"{low}–{high}", float(low))
        shown = Cell(listing(values, 12))
        rows.append((Cell(variation), count(len(values)), count(len(sets)), count(int(sets["reference"].sum())), size, shown))
    return Table(columns, tuple(rows))
