"""Tables of probable failures: the lists of every dataset, and the images on them."""

from __future__ import annotations

import math

from howfar.report.tables import Cell, Column, Table, name_cell
from howfar.report.tables_performance import UNDEFINED, number, places
from howfar.report.words import share
from howfar.results import Relation

MOST = 200


def lists(relation: Relation) -> Table:
    """How many images of each dataset are listed, and how right that is where performances are known."""
    tau = f"{relation.settings.tau:g}"
    columns = (
        Column("dataset"),
        Column("images"),
        Column("listed", f"images that probably score below {tau}"),
        Column("measured error", f"share of the listed images that scored {tau} or more, where performances are known"),
        Column("failing", f"images that scored below {tau}"),
        Column("found", "failing images that are listed"),
    )
    place = places(relation)
    rows = []
    for one in relation.failures:
        above = one.measured_error is not None and one.measured_error > one.error_rate
        error = UNDEFINED if one.measured_error is None else Cell(share(one.measured_error), one.measured_error, strong=above)
        rows.append(
            (
                name_cell(one.dataset, place[one.dataset]),
                Cell(f"{one.n:,}", one.n),
                Cell(f"{one.listed:,}", one.listed),
                error,
                _count(one.failing),
                _count(one.found),
            )
        )
    return Table(columns, tuple(rows))


def listed(relation: Relation, most: int = MOST) -> Table:
    """The listed images, the lowest estimates first, at most so many."""
    columns = (
        Column("image"),
        Column("dataset"),
        Column("estimate", "estimated performance, made without any label of the dataset"),
        Column("interval", f"conformal, claiming {share(relation.settings.level)}"),
        Column(
            "p", "conformal p-value of “this image does not fail”: small where few images that did well are estimated as low"
        ),
        Column("measured", "where the dataset has performances; marked where the image did not fail"),
    )
    place, tau = places(relation), relation.settings.tau
    images = relation.images[relation.images["listed"].astype(bool)]
    ordered = images.sort_values(["estimate", "dataset", "image"], kind="stable").head(most)
    rows = []
    for record in ordered.to_dict("records"):
        name, measured = str(record["dataset"]), float(record["performance"])
        low, high = float(record["estimate_low"]), float(record["estimate_high"])
        known = not math.isnan(measured)
        rows.append(
            (
                Cell(str(record["image"])),
                name_cell(name, place[name]),
                number(float(record["estimate"])),
                UNDEFINED if math.isnan(low) or math.isnan(high) else Cell(f"{low:.2f} – {high:.2f}", low),
                number(float(record["p_value"])),
                Cell(f"{measured:.3f}", measured, strong=measured >= tau) if known else UNDEFINED,
            )
        )
    return Table(columns, tuple(rows))


def _count(value: int | None) -> Cell:
    return UNDEFINED if value is None else Cell(f"{value:,}", value)
