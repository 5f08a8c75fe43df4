"""Find the number of principal components from which on distances no longer change (appendix A.1, table 6)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError


def plateau(components: Sequence[int], distances: ArrayLike, share: float = 0.02) -> int | None:
    """Give the smallest number of components from which on the order holds and no distance changes by `share` or more.

    Distances at z and at each larger number are compared: the datasets must be in the same order, and
    abs(d(z') / d(z) - 1) must be below `share` for every dataset and every z' > z. The largest number listed is no plateau, as
    nothing follows it.

    Parameters
    ----------
    components
        Numbers of components z, ascending; at least two.
    distances
        (len(components), datasets) relative distances, positive: each row those of one z.
    share
        Largest change that counts as none.

    Returns
    -------
    The number of components, or None where none of them is a plateau.

    Raises
    ------
    InputError
        The numbers do not ascend, the shapes disagree, a distance is not positive, or `share` is not.

    Examples
    --------
    >>> plateau([5, 15, 25], [[0.30, 0.70], [0.40, 0.60], [0.402, 0.598]])
    15
    """
    values = np.asarray(distances, dtype=np.float64)
    if len(components) < 2 or any(b <= a for a, b in pairwise(components)):
        raise InputError.of("components", "must be two or more ascending numbers", list(components))
    if values.ndim != 2 or len(values) != len(components) or not (values > 0).all():
        raise InputError.of("distances", f"must be {len(components)} rows of positive numbers", values.shape)
    if not share > 0:
        raise InputError.of("share", "must be above 0", share)
    orders = np.argsort(values, axis=1, kind="stable")
    for place, number in enumerate(components[:-1]):
        after = values[place + 1 :]
        if (orders[place + 1 :] == orders[place]).all() and (np.abs(after / values[place] - 1) < share).all():
            return number
    return None
