"""Define `Metric`, the interface of metrics: each image gives a tally (such as pixel counts), and all tallies are scored."""

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Protocol, TypeVar

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError, blaming

Tally = TypeVar("Tally")


@dataclass(frozen=True, eq=False)
class MetricScore:
    """Hold the scores of a dataset's predictions, and the performance of each image; nan where undefined.

    `metric` says in words what `per_image` (n,) holds, such as "F at threshold 0.43". `threshold` is None where the task has
    none. `columns` are further values of each image by name, (n,) each.
    """

    metric: str
    scores: Mapping[str, float]
    per_image: Float64Array
    threshold: float | None = None
    columns: Mapping[str, Float64Array] = field(default_factory=dict)


class Metric(Protocol[Tally]):
    """Measure predictions against ground truth.

    A tally is small and picklable, so images can be tallied anywhere.
    """

    @property
    def name(self) -> str:
        """Return the task's registered name, such as "segmentation"."""
        ...

    def tally(self, prediction: Any, truth: Any) -> Tally:
        """Reduce one image's prediction and truth to the counts needed for scores."""
        ...

    def score(self, tallies: Iterable[Tally]) -> MetricScore:
        """Compute the scores of the dataset and of each image, in the order of the tallies."""
        ...


def tallies(
    metric: Metric[Tally], predictions: Iterable[Any], truths: Iterable[Any], names: tuple[str, str] = ("predictions", "truths")
) -> list[Tally]:
    """Tally images one at a time, without keeping predictions or truths in memory; generators will do.

    `names` is what error lines call the two. Raises `InputError` for more predictions than truths or the reverse, or an image
    that breaks the metric's rules: the line names its position, from 0.

    Examples
    --------
    >>> from howfar.metrics import SEGMENTATION
    >>> [len(counts) for counts in tallies(SEGMENTATION, [[[0.5]], [[0.1]]], [[[True]], [[False]]])]
    [1, 1]
    """
    tallied: list[Tally] = []
    rule = f"{names[0]} and {names[1]} must be as many"
    if isinstance(predictions, Sized) and isinstance(truths, Sized) and len(predictions) != len(truths):
        raise InputError(f"{rule}, got {len(predictions)} and {len(truths)}")
    end = object()
    for prediction, truth in zip_longest(predictions, truths, fillvalue=end):
        if prediction is end or truth is end:
            fewer, more = names if prediction is end else reversed(names)
            raise InputError(f"{rule}, got {len(tallied)} {fewer} and more {more}")
        with blaming(f"image {len(tallied)} (from 0)"):
            tallied.append(metric.tally(prediction, truth))
    return tallied


def mean_of_defined(values: Float64Array) -> float:
    """Average the finite values; nan without finite values."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def defined(value: float | None) -> float | None:
    """Return a finite value, else None."""
    return None if value is None or not np.isfinite(value) else float(value)
