"""Average the estimates of several estimators that read different evidence, so that none of them decides alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howfar import registry
from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator, FittedEstimator
from howfar.relation.label_free_columns import Columns

FORM = "consensus"


@dataclass(frozen=True)
class ConsensusFit:
    """Predict the mean of the members' estimates of an image; NaN where one of them has none."""

    name: str
    fits: tuple[FittedEstimator, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of all columns that the members read."""
        return _union(self.fits)

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks a column which a member reads."""
        # One member after the other: the estimate of an image does not depend on which images stand beside it.
        total = self.fits[0].predict(columns)
        for fit in self.fits[1:]:
            total = total + fit.predict(columns)
        return np.asarray(total / len(self.fits), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        return {"form": FORM, "estimator": self.name, "fits": [fit.to_dict() for fit in self.fits]}


@dataclass(frozen=True)
class Consensus:
    """Describe the average of several estimators, given by their registered names, before its fit.

    The least left-out error of many estimators on a handful of datasets is small by chance: on datasets kept apart the chosen
    estimator missed by more than most of those it had beaten. Averaging a few that read different evidence needs no choice, so
    its left-out error is that of the whole procedure (docs/concepts/estimates.md has both).

    Examples
    --------
    >>> both = Consensus("consensus", ("foreground_confidence", "flip_agreement"))
    >>> columns = {"foreground_confidence": [0.2, 0.4, 0.9], "flip_agreement": [0.1, 0.5, 0.9]}
    >>> fitted = both.fit(columns, [0.2, 0.4, 0.9], ["cracks"] * 3)
    >>> fitted.predict({"foreground_confidence": [0.4], "flip_agreement": [0.5]}).round(2).tolist()
    [0.45]
    """

    name: str
    members: tuple[str, ...]
    kind: str = "combined"
    settled: tuple[Estimator, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of all columns that the members read, or may read."""
        return _union(self.settled or [_named(name) for name in self.members])

    def resolve(self, columns: Columns, sets: ArrayLike) -> Consensus | None:
        """Settle which members are averaged and which columns they read; None where no member can be used on these images."""
        if self.settled:
            return self
        found = [settled for name in self.members if (settled := _named(name).resolve(columns, sets)) is not None]
        return replace(self, settled=tuple(found)) if found else None

    def fit(
        self, columns: Columns, performance: ArrayLike, sets: ArrayLike, groups: ArrayLike | None = None
    ) -> FittedEstimator:
        """Fit every member to the labelled images; arguments and errors are those of `RegisteredEstimator.fit`."""
        settled = self.resolve(columns, sets)
        if settled is None:
            rule = f"must give {self.name} what one of its members needs ({', '.join(self.members)})"
            raise InputError.of("columns", rule, sorted(columns))
        return ConsensusFit(self.name, tuple(member.fit(columns, performance, sets, groups) for member in settled.settled))

    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Rebuild a fit from the values of its `to_dict`; raises `InputError` where they are no such document."""
        try:
            if document["form"] != FORM or not document["fits"]:
                raise ValueError(f"form {document['form']!r} of {len(document['fits'])} members")
            fits = tuple(_named(str(fit["estimator"])).restore(fit) for fit in document["fits"])
            return ConsensusFit(str(document["estimator"]), fits)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"document must be that of a fitted estimator ({type(error).__name__}: {error})") from error


def _named(name: str) -> Estimator:
    estimator: Estimator = registry.load("estimators", name)
    return estimator


def _union(members: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(need for member in members for need in member.needs))


CONSENSUS = Consensus("consensus", ("atc", "boosted", "signals"))
