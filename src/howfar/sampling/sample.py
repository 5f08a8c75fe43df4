"""Hold a random sample of a site's images, with the chance that each had of being drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Sample:
    """Hold which images to label, and the chance of each by the design.

    Attributes
    ----------
    indices
        (k,) positions of the drawn images among the site's, each once, in random order.
    probabilities
        (k,) inclusion probability of each: the share of its stratum that is drawn, n_h / N_h.
    strata
        (k,) number of the stratum of each, 0 the lowest predicted performance.

    Raises
    ------
    InputError
        Lengths that differ, an image drawn twice, a probability outside (0, 1], or more than one in a stratum.

    Examples
    --------
    >>> sample = Sample(np.array([3, 0]), np.array([0.5, 0.5]), np.array([0, 0]))
    >>> len(sample), sample.population
    (2, 4)
    """

    indices: NDArray[np.int64]
    probabilities: Float64Array
    strata: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name, kind in (("indices", np.integer), ("probabilities", np.number), ("strata", np.integer)):
            given = getattr(self, name)
            part = np.asarray(given)
            if part.ndim != 1 or (part.size and not np.issubdtype(part.dtype, kind)):
                what = "whole numbers" if kind is np.integer else "numbers"
                raise InputError.of("sample", f"must have one row of {what} as its {name}", given)
            object.__setattr__(self, name, part)
        count = len(self.indices)
        shapes = {np.shape(part) for part in (self.indices, self.probabilities, self.strata)}
        if shapes != {(count,)} or not count:
            raise InputError.of("sample", "must give an index, a probability and a stratum of each image", sorted(shapes))
        if len(np.unique(self.indices)) < count or self.indices.min() < 0:
            raise InputError.of("sample", "must name each image once, by its position from 0", "one named twice or below 0")
        if not ((self.probabilities > 0) & (self.probabilities <= 1)).all():
            raise InputError.of("sample", "must have probabilities above 0 and at most 1", self.probabilities.min())
        for stratum in np.unique(self.strata):
            inside = self.probabilities[self.strata == stratum]
            if np.ptp(inside) > _ROUNDING:
                raise InputError.of("sample", "must have one probability in each stratum", sorted(set(inside.tolist())))

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def population(self) -> int:
        """Return how many images the sample was drawn from: Σ 1 / probability, which this design makes exact."""
        return round(float(np.sum(1.0 / self.probabilities)))

    @property
    def weights(self) -> Float64Array:
        """Return the share of the site that each drawn image stands for, (k,), which sum to 1."""
        inverse = 1.0 / self.probabilities
        weights: Float64Array = inverse / inverse.sum()
        return weights

    @property
    def whole(self) -> bool:
        """Return whether every image of the site was drawn."""
        return bool((self.probabilities >= 1.0).all())

    @property
    def simple(self) -> bool:
        """Return whether it is a simple random sample: one stratum."""
        return bool((self.strata == self.strata[0]).all())
