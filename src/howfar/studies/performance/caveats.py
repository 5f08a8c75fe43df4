"""Write the caveats of relating performance to distance: untuned threshold, unmatched images, tiles of one photograph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from howfar.relation.model_selection import DISTANCE, MEAN
from howfar.results import Evaluation, RelationSettings, SetEstimate
from howfar.results.relation import BLANK, without_foreground
from howfar.studies.performance.estimates import Expectation
from howfar.studies.performance.image_performance import NOT_TUNED
from howfar.studies.performance.performance_files import Matched
from howfar.studies.performance.performance_tables import GIVEN
from howfar.studies.performance.photograph_groups import tiled_photographs


def relation_notes(
    images: pd.DataFrame, given: Sequence[Evaluation], matched: Matched, settings: RelationSettings, expected: Expectation
) -> Iterator[str]:
    """Yield the notes of a relation, most important first.

    `images` holds one row an image, with performance and group; the other arguments are the performances, their match with the
    images, the settings and the estimates that the relation was made from.
    """
    yield from _threshold(given, settings)
    yield from _mixture(given, settings)
    yield from _gaps(images, matched)
    yield from fallbacks(expected.estimates, expected.judge.order[0])
    blank = without_foreground(images)
    yield from (f"{name}: {BLANK}: F is undefined there" for name in blank)
    yield from _unlabelled(expected, settings, blank)
    yield from _tiles(images, settings)
    for evaluation in given:
        for note in evaluation.notes:
            yield f"{evaluation.dataset or 'performance'}: {note}"


def _threshold(given: Sequence[Evaluation], settings: RelationSettings) -> Iterator[str]:
    if settings.threshold_source == NOT_TUNED:
        yield (
            f"the common threshold is {settings.threshold:.2f}, tuned on nothing: evaluate the primary dataset too and pass "
            "its performance, or give --threshold"
        )
    tolerance = max((evaluation.tolerance for evaluation in given), default=0.0)
    if tolerance:
        yield f"predictions count within {tolerance:g} px of the truth"


def _mixture(given: Sequence[Evaluation], settings: RelationSettings) -> Iterator[str]:
    """Note that pixel counts are not used, where not all performances have them."""
    without = [evaluation.dataset or "a table" for evaluation in given if evaluation.task == GIVEN]
    if without and settings.threshold is None and any(evaluation.task == "segmentation" for evaluation in given):
        yield (
            f"{', '.join(without)} came without pixel counts: every performance is taken as it was given, which need not be at "
            "one threshold"
        )


def _gaps(images: pd.DataFrame, matched: Matched) -> Iterator[str]:
    if matched.changed:
        images_are = "1 image is" if matched.changed == 1 else f"{matched.changed} images are"
        yield (
            f"{images_are} not, by content, what the performance was measured on, and matched by name: if files were changed "
            "or renumbered since, evaluate again"
        )
    for name, count in matched.unmatched.items():
        if count:
            noun, verb = ("image", "is") if count == 1 else ("images", "are")
            yield f"{count} {noun} in the performance of {name or 'a table'} {verb} not in the run: left out"
    for dataset, rows in images.groupby("dataset", sort=False):
        scored = int(rows["performance"].notna().sum())
        if 0 < scored < len(rows):
            have = "has" if len(rows) - scored == 1 else "have"
            yield f"{len(rows) - scored} of {len(rows)} images of {dataset} {have} no performance: left out of its trend"


def fallbacks(estimates: Sequence[SetEstimate], first: str | None) -> Iterator[str]:
    """Note unlabelled sets that lack what the `first` estimator reads, so that another one stands in."""
    for row in estimates:
        if row.measured is None and row.estimator != first:
            lacking = "its predictions" if row.estimator in (MEAN, DISTANCE) else "a signal that the labelled sets have"
            yield f"{row.dataset} lacks what {first} needs ({lacking}): estimated by {row.estimator} instead"


def _unlabelled(expected: Expectation, settings: RelationSettings, blank: Sequence[str]) -> Iterator[str]:
    """Note what an estimate of F for an unlabelled set assumes."""
    names = [row.dataset for row in expected.estimates if row.measured is None and row.dataset not in blank]
    if names and settings.threshold is not None:
        yield (
            f"F is undefined for an image without foreground: the estimates for {', '.join(names)} are what its images would "
            "score if they hold some, as the labelled ones do"
        )


def _tiles(images: pd.DataFrame, settings: RelationSettings) -> Iterator[str]:
    if settings.group is not None or not settings.bootstrap:
        return
    photographs = tiled_photographs(images)
    if photographs is not None:
        yield (
            f"image names look like tiles of {photographs} photographs, which are not independent: --group '(.+)-[0-9]+' "
            "resamples photographs, and widens the intervals to what they should be"
        )
