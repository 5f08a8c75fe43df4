"""Measure how far new images are from a primary dataset by its saved profile, without its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, significant
from howfar.distances.dataset import image_to_dataset
from howfar.distances.knn import knn
from howfar.distances.mahalanobis import Fitted
from howfar.distances.subspace_residual import subspace_residual
from howfar.numbers import format_number
from howfar.pipeline import trust
from howfar.pipeline.bootstrap import ROUNDING
from howfar.printable import printable
from howfar.projection import Basis
from howfar.protocols import Rows
from howfar.relation.site_judge import SiteJudge
from howfar.results import Provenance, Skipped
from howfar.significance import p_values, percentiles

CONFORMAL = 19
GATE_COLUMNS: Final = {
    "gate_distance": "i_dist",
    "gate_knn": "knn",
    "gate_mahalanobis": "mahalanobis",
    "gate_residual": "residual",
}
"""Columns of a comparison's images that hold what a profile measures of them, and the names that the judge knows them by."""
_DIGITS = 10
"""Significant digits of what the judge reads: rounding by the size of a batch lies beyond the fifteenth."""


@dataclass(frozen=True, eq=False, repr=False)
class Reference:
    """Hold what is kept of a primary dataset P; `howfar.Profile`, which adds loading and scoring, describes the fields."""

    primary: str
    n: int
    backbone: str
    options: Mapping[str, Any]
    identity: Mapping[str, Any]
    layers: tuple[int, ...]
    components: int
    scale: str
    neighbours: int
    basis: Basis
    rows: Float64Array
    own: Float64Array | None
    provenance: Provenance
    skipped: tuple[Skipped, ...] = ()
    judge: SiteJudge | None = None
    own_residual: float | None = None
    residual_components: int | None = None

    @property
    def self_distance(self) -> float | None:
        """Return O^dist(P, P), leave-one-out: what `relative` is relative to."""
        return None if self.own is None else float(self.own.mean())

    @property
    def explained_variance(self) -> float:
        """Return the share of P's total variance that the subspace holds."""
        return self.basis.explained_variance

    def measure(self, features: ArrayLike | Rows) -> dict[str, Float64Array]:
        """Measure distances of new images from P by their features, as ``howfar compare --projection primary`` has them.

        `features` are (m, q), of the profile's own kind: nothing here can tell. Returns i_dist, i_dist_mean, relative, knn,
        mahalanobis, percentile, p_value and residual, (m,) float64 each, nan where undefined. Raises `InputError` for features
        that `howfar.arrays.as_features` refuses, or of another width.
        """
        s = self.basis.scores(features)
        mean = image_to_dataset(s, self.rows)
        undefined = np.full(len(s), np.nan)
        # Where P's images are all alike its subspace holds nothing, and every image would look near.
        own, self_distance = self._sorted if self._fitted is not None else None, self.self_distance or 0.0
        relative = np.divide(mean, self_distance, out=undefined.copy(), where=self_distance > ROUNDING * mean)
        return {
            "i_dist": self.n * mean,
            "i_dist_mean": mean,
            "relative": relative,
            "knn": knn(s, self.rows, k=min(self.neighbours, self.n)),
            "mahalanobis": self._mahalanobis(s),
            "percentile": undefined if own is None else percentiles(mean, own),
            "p_value": undefined if own is None else p_values(mean, own),
            "residual": self._residual(features, s),
        }

    def columns(self, measured: Mapping[str, Float64Array]) -> dict[str, Float64Array]:
        """Select what the judge of sites reads of `measure`, in units of P's own distances, so that it has no scale.

        Values are rounded to ten significant digits, so that they are the same for an image that comes alone as for one among
        many.
        """
        unit = self.self_distance or np.nan
        read = {"i_dist": measured["relative"], "knn": measured["knn"] / unit, "mahalanobis": measured["mahalanobis"]}
        return {name: significant(values, _DIGITS) for name, values in {**read, "residual": measured["residual"]}.items()}

    def with_judge(self, judge: SiteJudge) -> Self:
        """Add the judge of sites."""
        return replace(self, judge=judge)

    def notes(self) -> tuple[str, ...]:
        """Say what whoever reads its distances should know."""
        notes = []
        if self.own is None:
            notes.append(f"{self.primary} is a single image: it has no self-distance, so relative distances are undefined")
        elif self._fitted is None:
            notes.append(f"the images of {self.primary} are all alike: no distance from them can be told")
        elif self.n < CONFORMAL:
            notes.append(
                f"{self.primary} has {self.n} images: with fewer than {CONFORMAL} no image can be called far by its p-value"
            )
        if self.basis.components < self.components:
            notes.append(
                f"{self.components} components were asked for, and {self.basis.components} can be had of {self.primary}"
            )
        if self.neighbours > self.n:
            notes.append(f"{self.neighbours} neighbours were asked for, and {self.primary} has {self.n} images to be near to")
        return tuple(notes)

    def __repr__(self) -> str:
        lines = [
            f"Profile of {self.primary}: {self.n} images by {self.backbone}, q = {sum(self.layers):,}",
            f"subspace    {self.basis.components} components hold {100 * self.explained_variance:.1f} % of its variance"
            + (", layers scaled alike" if self.scale == "layers" else ""),
            f"yardstick   self-distance {format_number(self.self_distance)}; nearest {min(self.neighbours, self.n)} neighbours",
            *([] if self.judge is None else trust.lines(self.judge)),
        ]
        files = "file" if len(self.skipped) == 1 else "files"
        skipped = [f"{len(self.skipped)} {files} of {self.primary} could not be read (.skipped)"] if self.skipped else []
        return "\n".join(map(printable, [*lines, *skipped, *self.notes()]))

    @cached_property
    def _sorted(self) -> Float64Array | None:
        return None if self.own is None else np.sort(self.own)

    @cached_property
    def _fitted(self) -> Fitted | None:
        return Fitted.on(self.rows) if np.ptp(self.rows, axis=0).max() > 0 else None

    def _residual(self, features: ArrayLike | Rows, s: Float64Array) -> Float64Array:
        """Compute how far images lie off P's subspace, in units of P's own; nan where that is not defined."""
        if not self.own_residual:
            return np.full(len(s), np.nan)
        return subspace_residual(features, self.basis.mean, s[:, : self.residual_components]) / self.own_residual

    def _mahalanobis(self, s: Float64Array) -> Float64Array:
        undefined = np.full(len(s), np.nan)
        if self._fitted is None:
            return undefined
        spread, size = np.ptp(self.rows, axis=0).max(), np.abs(self.rows).max()
        with np.errstate(over="ignore", invalid="ignore"):
            distances = self._fitted.distances(s)
        defined = np.isfinite(distances) & (spread > ROUNDING * np.maximum(np.abs(s).max(axis=1), size))
        return np.where(defined, distances, undefined)
