"""Validate per-image signals, and hold labelled images with cross-validation splits to fit performance estimators to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_row, quotient
from howfar.errors import InputError

Columns: TypeAlias = Mapping[str, ArrayLike]
Mask: TypeAlias = NDArray[np.bool_]

HISTOGRAM = "histogram"
VALUES = 256
DISTANCES = ("i_dist", "knn", "mahalanobis")
CONFIDENCES = (
    "average_confidence",
    "foreground_confidence",
    "mean_probability",
    "predicted_foreground",
    "nuclear_norm",
    "entropy",
)
AGREEMENTS = FLIP_AGREEMENT, ENSEMBLE_AGREEMENT = ("flip_agreement", "ensemble_agreement")
SOFT_F = "soft_f"
FLIP_OVERLAP = "flip_overlap"
TILE_AGREEMENT = "tile_agreement"
"""Dice of the foreground of an image's whole and its tiled map; the gate reads it, no estimator does."""
SHAPES = ("foreground_extent", "foreground_width", "foreground_components")
AT_THRESHOLD = (FLIP_OVERLAP, *SHAPES)
"""Signals of the thresholded map, which cannot be computed from a histogram for another threshold."""
SIGNALS = (*CONFIDENCES, SOFT_F, *AGREEMENTS, *AT_THRESHOLD)
"""Signals of a segmenter's maps."""
CONFIDENCE, BOX_COUNT = "class_confidence", "box_count"
"""Columns by which images of a classifier and of a detector are told: the probability of the class, the number of boxes."""
MARGIN = "margin"
CLASS_SIGNALS = (CONFIDENCE, MARGIN, "entropy", "nuclear_norm", "mano")
BOX_AGREEMENTS = ("box_stability", "box_consistency")
BOX_SIGNALS = ("box_score", BOX_COUNT, "box_entropy", *BOX_AGREEMENTS)
MIRRORED = {FLIP_AGREEMENT, FLIP_OVERLAP, *BOX_AGREEMENTS}
"""Columns that are read from predictions of the mirrored images."""
EVERY_SIGNAL = tuple(dict.fromkeys((*SIGNALS, *CLASS_SIGNALS, *BOX_SIGNALS)))


def rows(columns: Columns) -> int:
    """Return the number of images m, the common length of all columns."""
    if not hasattr(columns, "items"):
        raise InputError.of("columns", "must be a mapping of names to columns", type(columns).__name__)
    lengths = {name: len(np.atleast_1d(np.asarray(values))) for name, values in columns.items()}
    if not lengths:
        raise InputError.of("columns", "must hold at least one column", "none", "the number of images is read from it")
    if len(set(lengths.values())) > 1:
        raise InputError.of("columns", "must all have one row an image", lengths)
    return next(iter(lengths.values()))


def column(columns: Columns, name: str) -> Float64Array:
    """Return one column as float64: (m,), or (m, 256) for `histogram`; NaN for an image that lacks it.

    An image lacks a column that is absent, or whose value is NaN or infinite, and a histogram that counts no pixel; else the
    histogram is returned as shares of the image's pixels.
    """
    m = rows(columns)
    shape = (m, VALUES) if name == HISTOGRAM else (m,)
    if name not in columns:
        return np.full(shape, np.nan)
    try:
        values = np.array(columns[name], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"column {name} must be numeric: {error}") from error
    if values.shape != shape:
        raise InputError.of(f"column {name}", f"must have shape {shape}", values.shape)
    if name != HISTOGRAM:
        return np.where(np.isfinite(values), values, np.nan)
    totals = values.sum(axis=1, keepdims=True)
    return quotient(values, np.where(np.isfinite(totals), totals, np.nan))


def available(columns: Columns, needs: Iterable[str]) -> Mask:
    """Mark the images that have all of the named columns, (m,) bool."""
    have = np.ones(rows(columns), dtype=np.bool_)
    for name in needs:
        have &= np.isfinite(column(columns, name)).reshape(len(have), -1).all(axis=1)
    return have


def take(columns: Columns, which: ArrayLike) -> dict[str, NDArray[np.generic]]:
    """Select images from all columns by positions or by a mask."""
    index = np.asarray(which)
    return {name: np.asarray(values)[index] for name, values in columns.items()}


def narrow(columns: Columns, needs: Iterable[str]) -> dict[str, ArrayLike]:
    """Select only the needed columns; if none exists, keep the first column so that the images can be counted."""
    wanted = {name: columns[name] for name in needs if name in columns}
    return wanted or dict(list(columns.items())[:1])


FOLDS = 10
HOME = "of the primary"
"""Stands in place of a corruption for images of the primary dataset's own kind."""
Role: TypeAlias = Literal["site", "home", "corrupted"]


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Hold n labelled images: their columns, performance, set and, if known, group (photograph).

    `kinds` names the corruption of each image of a corrupted set. It is `HOME` for images of the primary dataset's own kind,
    which has labels wherever a model is used, and "" for those of sites; None where all images are of sites.
    """

    columns: Columns
    performance: Float64Array
    sets: NDArray[Any]
    groups: NDArray[Any] | None = None
    kinds: NDArray[np.str_] | None = None

    @classmethod
    def of(
        cls,
        columns: Columns,
        performance: ArrayLike,
        sets: ArrayLike,
        groups: ArrayLike | None = None,
        home: str | None = None,
        corrupted: Mapping[str, str] | None = None,
    ) -> LabelledImages:
        """Validate a caller's labelled images; `home` names the set that is like the primary dataset.

        `corrupted` gives the kind of corruption by the name of each corrupted set.
        """
        n = rows(columns)
        values = as_row(performance, "performance", length=n, undefined=True)
        wrong = ~((values >= 0.0) & (values <= 1.0))
        if n == 0:
            raise InputError.of("performance", "must be of at least one labelled image", "none")
        if wrong.any():
            position = int(np.argmax(wrong))
            received = f"{values[position]} at position {position}"
            raise InputError.of("performance", "must lie between 0 and 1", received, "pass the scored images only")
        names = _labels(sets, "sets", n)
        by_set = {**(corrupted or {}), **({} if home is None else {home: HOME})}
        kinds = np.array([by_set.get(str(name), "") for name in names], dtype=np.str_) if by_set else None
        return cls(columns, values, names, None if groups is None else _labels(groups, "groups", n), kinds)

    @classmethod
    def stacked(cls, *several: LabelledImages) -> LabelledImages:
        """Stack labelled images whose groups are known; a column that some of them lack is NaN there."""

        def values(images: LabelledImages, name: str) -> NDArray[Any]:
            shape = (len(images.sets), VALUES) if name == HISTOGRAM else (len(images.sets),)
            return np.asarray(images.columns[name], dtype=np.float64) if name in images.columns else np.full(shape, np.nan)

        names = dict.fromkeys(name for images in several for name in images.columns)
        columns = {name: np.concatenate([values(images, name) for images in several]) for name in names}
        rows = zip(*((images.performance, images.sets, images.groups) for images in several), strict=True)
        return cls(columns, *(np.concatenate(row) for row in rows))

    def take(self, which: Mask | NDArray[np.integer[Any]]) -> LabelledImages:
        """Select some of the images."""
        groups, kinds = (None if values is None else values[which] for values in (self.groups, self.kinds))
        return LabelledImages(take(self.columns, which), self.performance[which], self.sets[which], groups, kinds)

    def having(self, needs: tuple[str, ...]) -> LabelledImages:
        """Select the images that have all needed columns; raises `InputError` if no image has them."""
        have = available(self.columns, needs)
        if not have.any():
            raise InputError.of("columns", f"must give {', '.join(needs)} for at least one labelled image", "none")
        return self if have.all() else self.take(have)

    def weights(self) -> Float64Array:
        """Compute (n,) weights with sum 1 and an equal sum in each set, so that a large set does not dominate."""
        _, codes, counts = np.unique(self.sets, return_inverse=True, return_counts=True)
        weights: Float64Array = 1.0 / (len(counts) * counts[codes])
        return weights

    def folds(self) -> NDArray[np.int64]:
        """Assign each image to a cross-validation fold: its set or, with a single set, one of up to ten parts.

        The parts are of whole groups in the order of their names, or, without groups, runs of consecutive images, so that tiles
        of one photograph mostly stay together.
        """
        names, codes = np.unique(self.sets, return_inverse=True)
        if len(names) > 1:
            return codes.astype(np.int64)
        if self.groups is not None:
            names, codes = np.unique(self.groups, return_inverse=True)
        if len(names) < 2:
            codes = np.arange(len(self.sets))
        parts = int(codes.max()) + 1
        return np.asarray(codes * min(FOLDS, parts) // parts, dtype=np.int64)

    def splits(self) -> Iterator[tuple[LabelledImages, Mask]]:
        """Yield for each fold the images outside the fold and the mask of the images inside; nothing for a single image."""
        folds = self.folds()
        for fold in np.unique(folds) if len(folds) > 1 else ():
            inside: Mask = folds == fold
            yield self.take(~inside), inside

    @property
    def roles(self) -> NDArray[np.str_]:
        """Return each image's role, (n,): of a labelled "site", of the primary's own kind ("home"), or "corrupted"."""
        if self.kinds is None:
            return np.full(len(self.sets), "site")
        return np.where(self.kinds == "", "site", np.where(self.kinds == HOME, "home", "corrupted"))

    def learning(self, left_out: Mask | None = None) -> Mask:
        """Mark the images to fit to; corrupted sets only without sites: they made estimates worse (docs/howto/no-labels.md)."""
        there = np.ones(len(self.sets), dtype=np.bool_) if left_out is None else ~left_out
        return there & (self.roles != "corrupted") if (there & (self.roles == "site")).any() else there

    def rounds(self) -> Iterator[tuple[Mask, Mask]]:
        """Yield training and test masks of leave-one-set-out validation; every set is tested once.

        Each site is left out in turn, then the primary dataset's own kind. Corrupted sets are left out one kind of corruption
        at a time, of a fit to the primary's own kind and the other corrupted sets, whatever sites are labelled. A single set
        falls into folds.
        """
        if len(np.unique(self.sets)) < 2:
            yield from ((~inside, inside) for _, inside in self.splits())
            return
        roles = self.roles
        one_by_one = [self.sets == name for name in np.unique(self.sets[roles == "site"])]
        yield from ((self.learning(inside), inside) for inside in (*one_by_one, roles == "home") if inside.any())
        for kind in () if self.kinds is None else np.unique(self.kinds[roles == "corrupted"]):
            inside = np.asarray(self.kinds == kind)
            yield (roles != "site") & ~inside, inside


def _labels(values: ArrayLike, name: str, n: int) -> NDArray[Any]:
    row = np.asarray(values)
    if row.shape != (n,):
        raise InputError.of(name, f"must be one row of {n} values, one an image", row.shape)
    return row if row.dtype.kind in "iu" else row.astype(np.str_)
