"""Make tables of probable failures: the lists of every dataset, and the images on them."""

from __future__ import annotations

import math

from howfar.numbers import percentage_of
from howfar.report.performance.tables import dataset_cells
from howfar.report.tables import UNDEFINED, Cell, Column, Table, count, decimal, percentage
from howfar.results import Relation

MOST = 200


def lists(relation: Relation) -> Table:
    """Count the listed images of each dataset, and say how right that is where performances are known."""
    tau = f"{relation.settings.tau:g}"
    columns = (
        Column("dataset"),
        Column("images"),
        Column("listed", f"images that probably score below {tau}"),
        Column("measured error", f"share of the listed images that scored {tau} or more, where performances are known"),
        Column("failing", f"images that scored below {tau}"),
        Column("found", "failing images that are listed"),
    )
    names = dataset_cells(relation)
    rows = []
    for row in relation.failures:
        above = row.measured_error is not None and row.measured_error > row.error_rate
        error = percentage(row.measured_error, strong=above)
        counts = (count(row.n), count(row.listed), error, count(row.failing), count(row.found))
        rows.append((names[row.dataset], *counts))
    return Table(columns, tuple(rows))


def listed(relation: Relation, most: int = MOST) -> Table:
    """List the listed images, the lowest estimates first, at most so many."""
    columns = (
        Column("image"),
        Column("dataset"),
        Column("estimate", "estimated performance, made without any label of the dataset"),
        Column("interval", f"claiming {percentage_of(relation.settings.level)}"),
        Column(
            "p", "conformal p-value of “this image does not fail”: small where few images that did well are estimated as low"
        ),
        Column("measured", "where the dataset has performances; marked where the image did not fail"),
    )
    names, tau = dataset_cells(relation), relation.settings.tau
    images = relation.images[relation.images["listed"].astype(bool)]
    ordered = images.sort_values(["estimate", "dataset", "image"], kind="stable").head(most)
    rows = []
    for record in ordered.to_dict("records"):
        measured = float(record["performance"])
        low, high = float(record["estimate_low"]), float(record["estimate_high"])
        interval = UNDEFINED if math.isnan(low) or math.isnan(high) else Cell(f"{low:.2f} – {high:.2f}", low)
        estimated = (decimal(float(record["estimate"])), interval, decimal(float(record["p_value"])))
        image = (Cell(str(record["image"])), names[str(record["dataset"])])
        rows.append((*image, *estimated, decimal(measured, strong=measured >= tau)))
    return Table(columns, tuple(rows))
