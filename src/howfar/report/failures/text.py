"""Write sentences on lists of probable failures: the stated error rate, and the measured one."""

from __future__ import annotations

from dataclasses import dataclass

from howfar.numbers import percentage_of, share
from howfar.report.text import listing, plural
from howfar.results import Relation

FEW = 30


@dataclass(frozen=True)
class Measured:
    """Count what the lists of the labelled datasets hold together.

    `listed` images whose performance is known, those of them that did not fail (`wrong`), images that failed, and those of
    them that are listed (`found`).
    """

    listed: int
    wrong: int
    failing: int
    found: int


def measured(relation: Relation) -> Measured:
    """Count over the images whose performance is known."""
    images = relation.images
    labelled = images[images["performance"].notna()]
    listed, fails = labelled["listed"].astype(bool), labelled["performance"] < relation.settings.tau
    return Measured(int(listed.sum()), int((listed & ~fails).sum()), int(fails.sum()), int((listed & fails).sum()))


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
