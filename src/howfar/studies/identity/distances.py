"""Measure the distances of all sets of persons from each primary set, and count where another person is not farther."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from howfar.arrays import ArrayRows, Float64Array, FloatArray, quotient
from howfar.distances.dataset import image_to_dataset, self_distance
from howfar.options import Space
from howfar.projection import Projector
from howfar.projection.cached import CachedRows
from howfar.relation.identity_margin import identity_margin
from howfar.studies.identity.sets import Compared, PersonSet


class FromReferences(NamedTuple):
    """Hold what was measured from r primary sets to all s sets of a variation, of N images.

    Attributes
    ----------
    o_dist, relative
        (r, s) O^dist in mean form, and over the primary set's self-distance: NaN at the primary itself, `relative` also where
        that has one image.
    violated, margins
        (r,) share of violated pairs, and margin.
    i_dist
        (N,) I^dist in mean form of each image from the first primary set, in the order of the sets; NaN for its own.
    """

    o_dist: Float64Array
    relative: Float64Array
    violated: Float64Array
    margins: Float64Array
    i_dist: Float64Array


class SetSpaces:
    """Give two sets of one dataset in the space where their distance is measured; what one set alone decides is kept.

    `rows` are the (N, q) features of all images, which the sets divide; `components` and `mode` are those of
    `howfar.projection.project`.
    """

    def __init__(self, rows: FloatArray, sets: tuple[PersonSet, ...], components: int, mode: Space) -> None:
        self._components, self._mode = components, mode
        self._parts: list[FloatArray]
        if mode == "joint":
            every = np.sort(np.concatenate([each.rows for each in sets]))
            fitted = Projector(rows[every], min(components, max(1, len(every) - 1), rows.shape[1])).own()
            self._parts = [fitted[np.searchsorted(every, each.rows)] for each in sets]
        else:
            self._parts = [rows[each.rows] for each in sets]
        self._cached = [CachedRows(ArrayRows(part)) for part in self._parts]

    def pair(self, primary: int, secondary: int) -> tuple[FloatArray, FloatArray]:
        """Project a primary set and a secondary one: (n, z) and (m, z) scores."""
        p, s = self._parts[primary], self._parts[secondary]
        fitted = len(p) if self._mode == "primary" else len(p) + len(s)
        most = min(fitted - 1, p.shape[1])
        # Where all components are kept, distances are those of the features themselves.
        if self._mode in ("none", "joint") or (self._mode == "pair" and most <= self._components):
            return p, s
        projector = Projector(self._cached[primary], min(self._components, most))
        projected = next(projector.project([self._cached[secondary]], self._mode))
        return projected.primary, projected.secondary


def from_references(rows: FloatArray, compared: Compared, components: int, mode: Space) -> Iterator[FromReferences]:
    """Measure from one primary set after another; what is yielded holds one reference each, for `stacked` to join.

    Parameters
    ----------
    rows
        (N, q) features of all images.
    compared
        The sets, and which of them are primary.
    components, mode
        As `howfar.projection.project` takes them.
    """
    spaces = SetSpaces(rows, compared.sets, components, mode)
    for order, reference in enumerate(compared.references.tolist()):
        yield _from_reference(spaces, compared, reference, keep_images=order == 0)


def stacked(parts: list[FromReferences]) -> FromReferences:
    """Join what was measured from one primary set after another."""
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FromReferences._fields[:-1]}
    return FromReferences(**joined, i_dist=parts[0].i_dist)


def _from_reference(spaces: SetSpaces, compared: Compared, reference: int, keep_images: bool) -> FromReferences:
    sets = compared.sets
    i_dist = [np.full(len(each.rows), np.nan) for each in sets]
    own_distance = np.full(len(sets), np.nan)
    for place in range(len(sets)):
        if place != reference:
            p, s = spaces.pair(reference, place)
            i_dist[place] = image_to_dataset(s, p)
            own_distance[place] = self_distance(p) if len(p) > 1 else np.nan
    o_dist = np.array([values.mean() for values in i_dist])
    found = identity_margin(o_dist[compared.own(reference)].tolist(), o_dist[compared.others(reference)].tolist())
    return FromReferences(
        o_dist[None],
        quotient(o_dist, own_distance)[None],
        np.array([found.violated]),
        np.array([found.margin]),
        np.concatenate(i_dist) if keep_images else np.empty(0),
    )
