"""Make a selection strategy of two functions: one chooses images, the other says why each was chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.selection.pool import Pool, Positions

Rule: TypeAlias = Callable[[Pool, int, np.random.Generator], ArrayLike]


@dataclass(frozen=True)
class FunctionStrategy:
    """Make a `howfar.protocols.Strategy` of a name, needed columns, whether it is nested, a rule and a reason.

    Images are taken in the order of the column `name` where there is one: then which are chosen does not depend on the order of
    rows. Ties go to the first in that order; without names, in the order of rows.
    """

    name: str
    needs: tuple[str, ...]
    nested: bool
    rule: Rule
    why: Callable[[Mapping[str, float]], str]

    def pick(
        self, columns: Mapping[str, ArrayLike], k: int, rng: np.random.Generator, labelled: ArrayLike | None = None
    ) -> Positions:
        """Choose k of m images.

        Parameters
        ----------
        columns
            What is known of the images, one row each, of which `needs` and `name` are read. An image that lacks one of `needs`
            (NaN) is never picked.
        k
            How many.
        rng
            Where a strategy draws, it draws from this.
        labelled
            (m,) mask of images that have labels: never picked, and covered already.

        Returns
        -------
        ndarray
            (k,) positions, intp, in the order of their choice.

        Raises
        ------
        InputError
            A column is missing or malformed, k is no number of images that are left, `rng` is no generator.

        Examples
        --------
        >>> from howfar.selection.by_column import NEAR
        >>> NEAR.pick({"distance": [0.9, 0.1, 0.4]}, 2, np.random.default_rng(0)).tolist()
        [1, 2]
        """
        if not isinstance(rng, np.random.Generator):
            raise InputError.of("rng", "must be a numpy Generator", type(rng).__name__, "pass np.random.default_rng(seed)")
        pool = Pool.of(self.name, columns, self.needs, labelled)
        chosen = np.asarray(self.rule(pool, pool.count(k), rng), dtype=np.intp)
        return pool.positions[chosen]

    def reason(self, values: Mapping[str, float]) -> str:
        """Say why it picked an image, given what its columns hold of it.

        Examples
        --------
        >>> from howfar.selection.by_column import NEAR
        >>> NEAR.reason({"distance": 0.1})
        'scaled distance 0.100, among the nearest'
        """
        return self.why(values)
