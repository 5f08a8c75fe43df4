"""Measure whether images of one identity are nearer to each other than to those of another (appendix E, eqs. 9-11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howfar.arrays import quotient
from howfar.errors import InputError


@dataclass(frozen=True)
class IdentityMargin:
    """Hold how well distances tell identities apart.

    Attributes
    ----------
    margin
        (nearest other − farthest own) / farthest own: above 0 every own variation is nearer than any of another identity. NaN
        where every own distance is 0.
    violated
        Share of pairs (own variation, another identity's variation) in which the other is not farther.
    pairs
        Number of pairs.
    """

    margin: float
    violated: float
    pairs: int


def identity_margin(own: Sequence[float], others: Sequence[float]) -> IdentityMargin:
    """Compare distances of an identity's own variations with those of other identities, from one reference.

    The paper's claim (eqs. 9 to 11) is O^dist(p1 vk, p1 v1) < O^dist(pi vj, p1 v1) for every k, j and every other identity
    i. It holds where no pair is violated.

    Parameters
    ----------
    own
        O^dist of the identity's other variations from the reference; 0 is allowed, as of two equal images.
    others
        O^dist of all variations of other identities from the reference.

    Raises
    ------
    InputError
        Either is empty, or a distance is not finite or below 0.

    Examples
    --------
    >>> identity_margin([1.0, 2.0], [1.5, 3.0])
    IdentityMargin(margin=-0.25, violated=0.25, pairs=4)
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in (own, others)]
    for name, values in zip(("own", "others"), arrays, strict=True):
        if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values >= 0)).all():
            raise InputError.of(name, "must be one or more distances of at least 0", values.tolist())
    inside, outside = arrays
    violated = float((outside[None, :] <= inside[:, None]).mean())
    return IdentityMargin(float(quotient(outside.min(), inside.max())) - 1, violated, inside.size * outside.size)
