"""Certify a mean of values whose images are not at hand: predicted for all of them, measured for a random sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.keywords import CertifyOptions
from howfar.results import Provenance
from howfar.results.certificate import Certificate, Site
from howfar.sampling.value_checks import as_shares
from howfar.settings import checked
from howfar.studies.certification.begin import design_of, drawn_sample, recorded
from howfar.studies.certification.estimates import Question, look, marked, parse_until
from howfar.studies.certification.measures import VALUES, Measured

_USED = ("level", "until", "seed", "progress")


def is_values(site: Any) -> bool:
    """Return whether a site is given as predicted performance in memory: an array, or a sequence of numbers.

    Examples
    --------
    >>> is_values([0.5, None]), is_values(np.zeros(3)), is_values("roads")
    (True, True, False)
    """
    if isinstance(site, np.ndarray):
        return True
    if isinstance(site, (str, bytes)) or not isinstance(site, Sequence):
        return hasattr(site, "__array__") and not hasattr(site, "rows")
    return bool(len(site)) and all(value is None or isinstance(value, Real) for value in site)


def certify_values(
    predicted: Any, k: int | None, labels: Any, beside: Mapping[str, Any], given: Mapping[str, Any]
) -> Certificate:
    """Certify the mean of values in memory; `howfar.certify` says what its arguments mean.

    Raises `InputError` for an argument that is of use only to images, values outside [0, 1], or more labels than were drawn.
    """
    idle = {name: value for name, value in {**beside, **_others(given)}.items() if value is not None}
    for name, value in idle.items():
        raise InputError.of(name, "is of use only to a site of images", str(value), "leave it out")
    proxies = as_shares(predicted, "site")
    question = Question(VALUES, given["level"], parse_until(given["until"]))
    sample = drawn_sample(proxies, k, question.goal is not None, given["seed"])
    listed = tuple(None if value != value else float(value) for value in proxies.tolist())
    record = Site("", tuple(map(str, range(len(proxies)))), (), (), listed)
    drawn = recorded(sample, record, [""] * len(proxies))
    values = _measured(labels, len(drawn))
    found = look(question, Measured(values), proxies, sample)
    return Certificate(
        dataset="values",
        metric=VALUES.name,
        words=VALUES.words,
        value=found.last.value,
        low=found.last.low,
        high=found.last.high,
        level=question.level,
        labelled=len(values),
        n=len(proxies),
        anytime=question.goal is not None,
        until=None if question.goal is None else question.goal.text,
        settled=found.last.settled,
        needed=found.needed,
        threshold=None,
        tolerance=0.0,
        proxy="given",
        design=design_of(VALUES, question.goal),
        seed=given["seed"],
        site=record,
        sample=marked(drawn, values),
        steps=found.steps,
        provenance=Provenance.now(),
        notes=found.notes,
    )


def _others(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are of use only to images, where they are not their defaults."""
    defaults: Mapping[str, Any] = checked(CertifyOptions, {})
    return {name: value for name, value in given.items() if name not in _USED and value != defaults[name]}


def _measured(labels: Any, most: int) -> Float64Array:
    if labels is None or (isinstance(labels, (list, tuple, np.ndarray)) and not len(labels)):
        return np.zeros(0)
    values = as_shares(labels, "labels")
    if len(values) > most:
        rule = f"must be one row of at most {most} measured values, in the order of the sample"
        raise InputError.of("labels", rule, values.shape)
    return values
