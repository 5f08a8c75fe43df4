"""Let one sample both adapt a model and measure it: each part is measured by a model that learnt from the other parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.sampling.estimates import Estimate, of_values
from howfar.sampling.sample import Sample
from howfar.sampling.value_checks import as_count, as_groups, as_proxy, as_rng, as_shares, check_fits, check_sample, filled


@dataclass(frozen=True, eq=False)
class Fold:
    """Hold one part of a sample.

    Attributes
    ----------
    learn
        Positions in the sample of the images that this part's model may learn from.
    held
        Positions in the sample of the images that it is measured on, which it must not have seen.
    probabilities
        Chance of each held image to be drawn and to fall into this part: its chance in the sample over the number of parts.
    """

    learn: NDArray[np.int64]
    held: NDArray[np.int64]
    probabilities: Float64Array


def folds(
    sample: Sample, *, parts: int = 2, groups: ArrayLike | None = None, seed: int | np.random.Generator = 0
) -> tuple[Fold, ...]:
    """Divide a sample at random into parts, for cross-fitting.

    A model that is measured on images that it learnt from looks better than it is. So adapt one model a part, on the other
    parts, measure each image of the sample by the one model that has not seen it, and pass all values to `cross_fitted_mean`.
    Each stratum is dealt out evenly; every image has the same chance of each part.

    Parameters
    ----------
    sample
        The labelled images.
    parts
        Number of parts, at least 2 and at most the number of images (of photographs, with `groups`).
    groups
        (m,) the photograph that each image of the site is of; those of one photograph stay together.

    Raises
    ------
    InputError
        Fewer than 2 parts, or more than there is to divide.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import draw, folds
    >>> sample = draw(np.linspace(0, 1, 50), 8)
    >>> [(len(fold.learn), len(fold.held)) for fold in folds(sample)]
    [(4, 4), (4, 4)]
    """
    check_sample(sample)
    rng = as_rng(seed)
    names = np.arange(len(sample)) if groups is None else as_groups(groups, sample.population)[sample.indices]
    units = len(np.unique(names))
    if not 2 <= as_count(parts, "parts") <= units:
        raise InputError.of("parts", f"must be between 2 and the {units} images or photographs to divide", parts)
    part = _dealt(sample.strata, names, parts, rng)
    places = np.arange(len(sample))
    return tuple(
        Fold(places[part != number], places[part == number], sample.probabilities[part == number] / parts)
        for number in range(parts)
    )


def _dealt(strata: NDArray[np.int64], names: NDArray[np.int64], parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Number the part of each image: photographs, by stratum and in random order, each to the part with the fewest images."""
    first = np.array([np.flatnonzero(names == name)[0] for name in np.unique(names)])
    counts = np.bincount(np.unique(names, return_inverse=True)[1])
    part, sizes = np.empty(len(names), dtype=np.int64), np.zeros(parts)
    for unit in np.lexsort((rng.random(len(first)), strata[first])):
        smallest = int(np.argmin(sizes))
        part[names == names[first[unit]]] = smallest
        sizes[smallest] += counts[unit]
    return np.asarray(rng.permutation(parts)[part])


def cross_fitted_mean(
    values: ArrayLike, proxies: Sequence[ArrayLike], sample: Sample, divided: Sequence[Fold], *, level: float = 0.9
) -> Estimate:
    """Estimate the mean performance of the models of all parts, each measured on images that it has not learnt from.

    Parameters
    ----------
    values
        (k,) performance of each image of the sample by the model of its part, in the sample's order.
    proxies
        Predicted performance of all m images by the model of each part, (m,) each.
    sample
        The labelled images.
    divided
        Their parts, as `folds` gave them.
    level
        Confidence level of the interval.

    Raises
    ------
    InputError
        Parts that do not hold each image of the sample once, another number of predictions than of parts, and what `mean`
        refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import cross_fitted_mean, draw, folds
    >>> proxy = np.linspace(0.2, 0.8, 50)
    >>> sample = draw(proxy, 12)
    >>> estimate = cross_fitted_mean(proxy[sample.indices], [proxy, proxy], sample, folds(sample))
    >>> round(estimate.value, 2)
    0.5
    """
    check_sample(sample)
    measured = as_shares(values, "values", len(sample))
    held = np.concatenate([fold.held for fold in divided]) if divided else np.empty(0, dtype=np.int64)
    if not np.array_equal(np.sort(held), np.arange(len(sample))):
        raise InputError.of("divided", f"must hold each of the {len(sample)} images of the sample once", len(held))
    if len(proxies) != len(divided):
        raise InputError.of("proxies", f"must be {len(divided)}, one a part", len(proxies))
    predicted, total = np.empty(len(sample)), 0.0
    for proxy, fold in zip(proxies, divided, strict=True):
        own = filled(as_proxy(proxy))
        check_fits(sample, len(own), "proxies")
        predicted[fold.held] = own[sample.indices[fold.held]]
        total += float(sample.weights[fold.held].sum()) * float(own.mean())
    return of_values(measured, predicted, total, sample, level)
