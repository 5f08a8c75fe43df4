"""What a reader of a relation should know before relying on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import pandas as pd

from howfar.results import Evaluation, RelationSettings
from howfar.studies.performance.expectation import Expectation
from howfar.studies.performance.performances import Matched
from howfar.studies.performance.scores import NOT_TUNED

_TILE = re.compile(r"(.+)-[0-9]+$")
_TILED = 0.5


def relation_notes(
    images: pd.DataFrame, given: Sequence[Evaluation], matched: Matched, settings: RelationSettings, expected: Expectation
) -> Iterator[str]:
    """Yield the notes of a relation, most important first.

    Parameters
    ----------
    images
        The run's images with performance and group.
    given, matched, settings, expected
        What the relation was made from.
    """
    yield from _threshold(given, settings)
    yield from _gaps(images, matched)
    yield from _fallbacks(expected)
    yield from _unlabelled(expected, settings)
    yield from _tiles(images, settings)
    for one in given:
        for note in one.notes:
            yield f"{one.dataset or 'performance'}: {note}"


def _threshold(given: Sequence[Evaluation], settings: RelationSettings) -> Iterator[str]:
    if settings.threshold_source == NOT_TUNED:
        yield (
            f"the common threshold is {settings.threshold:.2f}, tuned on nothing: evaluate the primary dataset too and pass "
            "its performance, or give --threshold"
        )
    if any(one.tolerance for one in given):
        yield f"predictions count within {max(one.tolerance for one in given):g} px of the truth"


def _gaps(images: pd.DataFrame, matched: Matched) -> Iterator[str]:
    for name, count in matched.unmatched.items():
        if count:
            yield f"{count} images in the performance of {name or 'a table'} are not in the run: left out"
    for dataset, rows in images.groupby("dataset", sort=False):
        known = int(rows["performance"].notna().sum())
        if 0 < known < len(rows):
            yield f"{len(rows) - known} of {len(rows)} images of {dataset} have no performance: left out of its trend"


def _fallbacks(expected: Expectation) -> Iterator[str]:
    other = [one for one in expected.estimates if one.estimator != expected.estimator]
    for one in other:
        yield f"{one.dataset} lacks what {expected.estimator} needs (its predictions): estimated by {one.estimator} instead"


def _unlabelled(expected: Expectation, settings: RelationSettings) -> Iterator[str]:
    """What an estimate of F cannot know."""
    names = [one.dataset for one in expected.estimates if one.measured is None]
    if names and settings.threshold is not None:
        yield (
            f"F is undefined for an image without foreground: the estimates for {', '.join(names)} are what its images would "
            "score if they hold some, as the labelled ones do"
        )


def _tiles(images: pd.DataFrame, settings: RelationSettings) -> Iterator[str]:
    if settings.group is not None or not settings.bootstrap:
        return
    hits = [_TILE.match(PurePosixPath(image).stem) for image in images["image"]]
    photos = {hit.group(1) for hit in hits if hit}
    tiled = sum(hit is not None for hit in hits)
    if tiled > _TILED * len(images) and len(photos) < 0.9 * tiled:
        yield (
            f"image names look like tiles of {len(photos)} photographs, which are not independent: --group '(.+)-[0-9]+' "
            "resamples photographs, and widens the intervals to what they should be"
        )
