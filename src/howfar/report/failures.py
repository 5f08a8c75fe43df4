"""Write the report's section on images that probably fail: their lists, the stated error rate and the measured one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from howfar.report.page import SectionKind
from howfar.report.performance import dataset_cells
from howfar.report.section import UNDEFINED, Cell, Column, Table, count, decimal, listing, percentage, plural
from howfar.results import Comparison, Relation
from howfar.wording import percentage_of, share

FEW = 30


@dataclass(frozen=True)
class ListCounts:
    """Count what the lists of the labelled datasets hold together.

    `listed` images whose performance is known, those of them that did not fail (`wrong`), images that failed, and those of
    them that are listed (`found`).
    """

    listed: int
    wrong: int
    failing: int
    found: int


def measured(relation: Relation) -> ListCounts:
    """Count over the images whose performance is known."""
    images = relation.images
    labelled = images[images["performance"].notna()]
    listed, fails = labelled["listed"].astype(bool), labelled["performance"] < relation.settings.tau
    return ListCounts(int(listed.sum()), int((listed & ~fails).sum()), int(fails.sum()), int((listed & fails).sum()))


def lead(relation: Relation) -> str:
    """Count the listed images, in how many datasets."""
    total, tau = sum(row.n for row in relation.failures), f"{relation.settings.tau:g}"
    listed = sum(row.listed for row in relation.failures)
    if not listed:
        return f"Of {total:,} images none is listed: no image can be said to score below τ = {tau} at this error rate."
    sets, every = sum(row.listed > 0 for row in relation.failures), len(relation.failures)
    among = f"in {sets} of {every} dataset{plural(every)}"
    return f"{listed:,} of {total:,} images, {among}, probably score{plural(listed, 's', '')} below τ = {tau}."


def promise(relation: Relation) -> str:
    """State the error rate, and under which condition it holds."""
    rate, tau = percentage_of(relation.settings.error_rate), f"{relation.settings.tau:g}"
    return (
        f"The lists are made so that at most {rate} of the images on them are expected to score {tau} or more after all, where "
        "images are exchangeable with the labelled ones. For a dataset unlike the labelled ones nothing promises it. An image "
        "that is not listed is not said to do well."
    )


def found(relation: Relation) -> str:
    """Say how right the lists of the labelled datasets are, each made without its dataset's labels."""
    counts, rate, tau = measured(relation), relation.settings.error_rate, f"{relation.settings.tau:g}"
    condition = "on the labelled datasets, each list made without the dataset's own labels"
    if not counts.listed:
        failed = f", although {counts.failing:,} of them scored below {tau}" if counts.failing else ""
        return f"No image with a known performance is listed{failed}, so the rate could not be measured."
    error = counts.wrong / counts.listed
    stated = f"the stated {percentage_of(rate)}"
    against = f"no more than {stated}" if error <= rate else f"more than {stated}: do not rely on it for a new dataset"
    wrong = f"{counts.wrong:,} of {counts.listed:,} listed images scored {tau} or more ({share(error)})"
    little = " So few images measure the rate only roughly." if counts.listed < FEW else ""
    text = f"Measured {condition}: {wrong}, {against}.{little}"
    if not counts.failing:
        return f"{text} No image with a known performance failed."
    hold = f"{counts.found:,} ({share(counts.found / counts.failing)})"
    return f"{text} Of {counts.failing:,} images that failed the lists hold {hold}."


def broken(relation: Relation) -> str:
    """Name the labelled datasets whose lists were wrong more often than stated; empty if none was, or all are judged as one."""
    rate = relation.settings.error_rate
    judged = [row for row in relation.failures if row.measured_error is not None]
    beyond = [
        f"{row.dataset} ({share(row.measured_error)})" for row in judged if row.measured_error and row.measured_error > rate
    ]
    if not beyond or len(judged) == 1:
        return ""
    lists = plural(len(beyond), "is the list", "are the lists")
    return f"Wrong more often than stated {lists} of {listing(beyond)}."


def whole(relation: Relation) -> str:
    """Name the datasets that are listed whole, which says more of the failures among the labelled than of these images."""
    names = [row.dataset for row in relation.failures if row.n and row.listed == row.n]
    if not names:
        return ""
    performances = relation.images["performance"].dropna()
    fail = float((performances < relation.settings.tau).mean())
    every = f"Every image of {listing(names)} is listed"
    if fail < 1.0 - relation.settings.error_rate:
        return f"{every}."
    return (
        f"{every}: {share(fail)} of the images with a known performance fail, so a list of all that are estimated below τ is "
        "right often enough. A lower τ tells the worst from the bad."
    )


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


def _content(_: Comparison, relation: Relation | None) -> Mapping[str, Any] | None:
    if relation is None or not relation.failures:
        return None
    return {
        "lead": lead(relation),
        "promise": promise(relation),
        "found": found(relation),
        "broken": broken(relation),
        "whole": whole(relation),
        "lists": lists(relation),
        "listed": listed(relation),
        "count": int(relation.images["listed"].sum()),
    }


SECTION = SectionKind("failures", "Probable failures", "failures/section.html.j2", _content)
