"""Sentences on lists of probable failures: what they promise, and how right they were where that is known."""

from __future__ import annotations

from dataclasses import dataclass

from howfar.report.words import share
from howfar.results import Relation

FEW = 30


@dataclass(frozen=True)
class Measured:
    """The lists of the labelled datasets together.

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
    known = images[images["performance"].notna()]
    listed, fails = known["listed"].astype(bool), known["performance"] < relation.settings.tau
    return Measured(int(listed.sum()), int((listed & ~fails).sum()), int(fails.sum()), int((listed & fails).sum()))


def lead(relation: Relation) -> str:
    """How many images are listed, in how many datasets."""
    total, tau = sum(one.n for one in relation.failures), f"{relation.settings.tau:g}"
    listed = sum(one.listed for one in relation.failures)
    if not listed:
        return f"Of {total:,} images none is listed: no image can be said to score below τ = {tau} at this error rate."
    sets, every = sum(one.listed > 0 for one in relation.failures), len(relation.failures)
    among = f"in {sets} of {every} dataset{'' if every == 1 else 's'}"
    return f"{listed:,} of {total:,} images, {among}, probably score{'s' if listed == 1 else ''} below τ = {tau}."


def promise(relation: Relation) -> str:
    """The stated error rate, and under which condition it holds."""
    rate, tau = share(relation.settings.error_rate), f"{relation.settings.tau:g}"
    return (
        f"The lists are made so that at most {rate} of the images on them are expected to score {tau} or more after all, where "
        "images are exchangeable with the labelled ones. For a dataset unlike the labelled ones nothing promises it. An image "
        "that is not listed is not said to do well."
    )


def found(relation: Relation) -> str:
    """How right the lists of the labelled datasets are, each made without its dataset's labels."""
    counts, rate, tau = measured(relation), relation.settings.error_rate, f"{relation.settings.tau:g}"
    made = "on the labelled datasets, each list made without the dataset's own labels"
    if not counts.listed:
        failed = f", although {counts.failing:,} of them scored below {tau}" if counts.failing else ""
        return f"No image with a known performance is listed{failed}, so the rate could not be measured."
    error = counts.wrong / counts.listed
    stated = f"the stated {share(rate)}"
    against = f"no more than {stated}" if error <= rate else f"more than {stated}: do not rely on it for a new dataset"
    wrong = f"{counts.wrong:,} of {counts.listed:,} listed images scored {tau} or more ({share(error)})"
    little = " So few images measure the rate only roughly." if counts.listed < FEW else ""
    text = f"Measured {made}: {wrong}, {against}.{little}"
    if not counts.failing:
        return f"{text} No image with a known performance failed."
    hold = f"{counts.found:,} ({share(counts.found / counts.failing)})"
    return f"{text} Of {counts.failing:,} images that failed the lists hold {hold}."
