"""Choose, by the columns that images have, how an estimator of one name works for segmenters, classifiers and detectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.protocols import Estimator, FittedEstimator
from howfar.relation.label_free_columns import Columns, available


@dataclass(frozen=True)
class ByTask:
    """Describe an estimator that reads other columns of another task.

    `variants` are pairs of a column and the estimator where images have that column; "" stands for any images. The first pair
    whose column is there decides.
    """

    name: str
    kind: str
    variants: tuple[tuple[str, Estimator], ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of all columns that the estimator may read."""
        return tuple(dict.fromkeys(need for _, variant in self.variants for need in variant.needs))

    def resolve(self, columns: Columns, sets: ArrayLike) -> Estimator | None:
        """Settle which columns the estimator reads; None where it cannot be used on these images.

        Examples
        --------
        >>> from howfar.relation.performance_estimators import DOC
        >>> DOC.resolve({"box_count": [2.0], "box_score": [0.7]}, ["site"]).needs
        ('box_score',)
        """
        for marker, variant in self.variants:
            if not marker or bool(np.any(available(columns, (marker,)))):
                return variant.resolve(columns, sets)
        return None

    def fit(
        self, columns: Columns, performance: ArrayLike, sets: ArrayLike, groups: ArrayLike | None = None
    ) -> FittedEstimator:
        """Learn from labelled images; arguments and errors are those of `RegisteredEstimator.fit`."""
        settled = self.resolve(columns, sets)
        if settled is None:
            raise InputError.of("columns", f"must give {self.name} what it needs ({' or '.join(self.needs)})", sorted(columns))
        return settled.fit(columns, performance, sets, groups)

    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Rebuild a fit from the values of its `to_dict`; raises `InputError` where they are no such document."""
        return self.variants[0][1].restore(document)
