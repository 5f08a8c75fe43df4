"""Hold the images that a selection strategy chooses from (`Candidates`), and make a strategy from a function of them."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import LARGEST, Float64Array, as_features
from howfar.errors import InputError

Mask: TypeAlias = NDArray[np.bool_]
Positions: TypeAlias = NDArray[np.intp]

NAME, FEATURES, REGIONS = "name", "features", "regions"


@dataclass(frozen=True, eq=False)
class Candidates:
    """Hold the n images that have all columns a strategy needs, in the order used for ties and random draws.

    The order is that of the images' names where the columns hold `name`, so that the order of rows changes nothing. `positions`
    are the images' rows in the caller's columns. `columns` are (n,) float64 each, `features` (n, z), `regions` (n, r, f): f
    features of at most r predicted regions, the first of them the area, 0 where there is no such region.
    """

    strategy: str
    positions: Positions
    labelled: Mask
    columns: Mapping[str, Float64Array]

    @classmethod
    def of(
        cls, strategy: str, columns: Mapping[str, ArrayLike], needs: Sequence[str] = (), labelled: ArrayLike | None = None
    ) -> Candidates:
        """Validate the columns that a strategy needs; images with NaN or infinite values are dropped."""
        missing = [name for name in needs if name not in columns]
        if missing:
            raise InputError.of("columns", f"must hold {missing[0]}, which the strategy {strategy} needs", sorted(columns))
        try:
            lengths = {name: len(values) for name, values in columns.items()}  # type: ignore[arg-type]  # a scalar has none
        except TypeError as error:
            raise InputError(f"columns must each have one row an image: {error}") from error
        if not lengths or not max(lengths.values()):
            raise InputError.of("columns", "must hold a column with a row an image", lengths, "the images are counted by it")
        if len(set(lengths.values())) > 1:
            raise InputError.of("columns", "must all have one row an image", lengths)
        m = next(iter(lengths.values()))
        values = {name: _column(columns[name], name, m) for name in needs}
        have = np.ones(m, dtype=np.bool_)
        for column in values.values():
            have &= np.isfinite(column).reshape(m, -1).all(axis=1)
        order = np.arange(m)
        if NAME in columns:
            names = np.asarray(columns[NAME])
            if names.shape != (m,):
                raise InputError.of(f"column {NAME}", f"must have shape {(m,)}", names.shape)
            order = np.argsort(names.astype(str), kind="stable")
        positions = order[have[order]]
        taken = {name: column[positions] for name, column in values.items()}
        mask = np.zeros(m, dtype=np.bool_) if labelled is None else np.asarray(labelled)
        if mask.dtype != np.bool_ or mask.shape != (m,):
            received = f"{mask.dtype} of shape {mask.shape}"
            raise InputError.of("labelled", f"must be a mask of {m} values, True for each image with labels", received)
        return cls(strategy, positions, mask[positions], taken)

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, name: str) -> Float64Array:
        """Return one column of all n images."""
        return self.columns[name]

    @property
    def free(self) -> Positions:
        """Return the positions of unlabelled images, which may be picked, in order."""
        return np.flatnonzero(~self.labelled)

    def count(self, k: Any) -> int:
        """Validate the number of images requested, and return it as an int."""
        try:
            number = operator.index(k)
        except TypeError:
            number = 0
        if isinstance(k, (bool, np.bool_)) or number < 1:
            raise InputError.of("k", "must be a whole number of images, at least 1", k)
        left = len(self.free)
        if number > left:
            rule = (
                f"must be at most {left}, as many images as {self.strategy} has left ({len(self)}, "
                f"{len(self) - left} of them labelled)"
            )
            raise InputError.of("k", rule, number)
        return number


def _column(values: ArrayLike, name: str, m: int) -> Float64Array:
    if name == FEATURES:
        return as_features(values, name).astype(np.float64, copy=False)
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"column {name} must be numeric: {error}") from error
    if name != REGIONS:
        if column.shape != (m,):
            raise InputError.of(f"column {name}", f"must have shape {(m,)}", column.shape)
        return column
    if column.ndim != 3 or len(column) != m or 0 in column.shape:
        raise InputError.of(f"column {REGIONS}", f"must have shape ({m}, regions, features)", column.shape)
    finite = column[np.isfinite(column)]
    if len(finite) and np.abs(finite).max() > LARGEST:
        raise InputError.of(f"column {REGIONS}", f"must lie within ±{LARGEST:g}", float(np.abs(finite).max()), "rescale")
    return column


def warn_of_fewer(found: int, k: int, predicted: str, others: str) -> None:
    """Warn if fewer images have predicted foreground than are to be picked."""
    if found < k:
        message = f"{predicted} in {found} of the images without labels, fewer than the {k} asked for"
        warnings.warn(f"{message}: the others are drawn from those {others}", UserWarning, stacklevel=4)


Rule: TypeAlias = Callable[[Candidates, int, np.random.Generator], ArrayLike]


@dataclass(frozen=True)
class FunctionStrategy:
    """Implement `howfar.protocols.Strategy` by a function `rule`, with name, needed columns, nestedness and reason.

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
        """Choose k of m images: (k,) positions, intp, in the order of their choice.

        `columns` hold one row an image, of which `needs` and `name` are read; an image that lacks one of `needs` (NaN) is never
        picked, nor is one that is marked in `labelled` (m,), which counts as covered. Raises `InputError` for a column that is
        missing or malformed, a k that is no number of images that are left, or an `rng` that is no generator.

        Examples
        --------
        >>> from howfar.selection.random_and_ranked import NEAR
        >>> NEAR.pick({"distance": [0.9, 0.1, 0.4]}, 2, np.random.default_rng(0)).tolist()
        [1, 2]
        """
        if not isinstance(rng, np.random.Generator):
            raise InputError.of("rng", "must be a numpy Generator", type(rng).__name__, "pass np.random.default_rng(seed)")
        pool = Candidates.of(self.name, columns, self.needs, labelled)
        chosen = np.asarray(self.rule(pool, pool.count(k), rng), dtype=np.intp)
        return pool.positions[chosen]

    def reason(self, values: Mapping[str, float]) -> str:
        """Explain in words why the strategy picked an image, from the image's column values."""
        return self.why(values)
