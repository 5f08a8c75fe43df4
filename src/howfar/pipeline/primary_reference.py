"""Measure new images' distances from a primary dataset by saved reference data (`PrimaryReference`), without its images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, group_numbers, significant
from howfar.distances.knn import knn
from howfar.distances.mahalanobis import Fitted, leave_one_out_residual, subspace_residual
from howfar.distances.mean_distances import image_to_dataset, leave_one_out
from howfar.formatting_and_escaping import format_number, printable
from howfar.image_reading_options import READING, PixelReading
from howfar.pipeline.distance_bootstrap import ROUNDING
from howfar.pipeline.pair_measurement import CONFORMAL, check_plan, projector_of
from howfar.projection import Basis, Projector
from howfar.protocols import Rows
from howfar.relation import site_judge
from howfar.relation.site_judge import SiteJudge
from howfar.results import Features, Provenance, Settings, Skipped
from howfar.significance import p_values, percentiles
from howfar.significance.bootstrap import single_group

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
class PrimaryReference:
    """Hold the reference data of a primary dataset P; `howfar.Profile` documents the fields and adds loading and scoring."""

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
    groups: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls,
        features: Features,
        settings: Settings,
        backbone: str | None = None,
        options: dict[str, Any] | None = None,
        projector: Projector | None = None,
    ) -> Self:
        """Make the profile of a primary dataset's features; a `projector` of the same features saves work."""
        check_plan([len(features), 0], features.rows.shape[1], len(features.layers), settings, basis=True)
        projecting = projector_of(features, settings) if projector is None else projector
        rows, basis = projecting.own(), projecting.basis()
        (n, q), own_residual = features.rows.shape, None
        # At most half the number of P's images.
        count = min(rows.shape[1], max((n - 1) // 2, 1))
        if settings.scale == "none" and count < min(q, n - 1):
            leading = rows[:, :count]
            residuals = leave_one_out_residual(subspace_residual(features.rows, basis.mean, leading), leading)
            own_residual = float(residuals.mean())
        groups = group_numbers(features.groups)
        return cls(
            primary=features.name,
            n=len(features),
            backbone=backbone or str(features.identity.get("name", "embeddings")),
            options=options or {},
            identity=dict(features.identity),
            layers=tuple(features.layers),
            components=settings.components,
            scale=settings.scale,
            neighbours=settings.neighbours,
            basis=basis,
            rows=rows,
            own=None if len(rows) < 2 else leave_one_out(rows, groups=groups),
            provenance=Provenance.now(),
            skipped=features.skipped,
            own_residual=own_residual,
            residual_components=count,
            groups=groups,
        )

    @property
    def self_distance(self) -> float | None:
        """Return the leave-one-out self-distance O^dist(P, P), by which `relative` is divided."""
        return None if self.own is None else float(self.own.mean())

    @property
    def explained_variance(self) -> float:
        """Return the share of P's total variance explained by the subspace."""
        return self.basis.explained_variance

    def measure(self, features: ArrayLike | Rows) -> dict[str, Float64Array]:
        """Compute distances of new images from P by their (m, q) features, as in ``howfar compare --projection primary``.

        Returns columns (m,) float64, nan where undefined. Raises `InputError` for features of another width, or that
        `howfar.arrays.as_features` refuses; whether they are of the profile's own kind nothing here can tell.
        """
        s = self.basis.scores(features)
        mean = image_to_dataset(s, self.rows)
        undefined = np.full(len(s), np.nan)
        # Where P's images are all alike its subspace holds nothing, and every image would look near.
        own, self_distance = None if self._fitted is None else self.own, self.self_distance or 0.0
        relative = np.divide(mean, self_distance, out=undefined.copy(), where=self_distance > ROUNDING * mean)
        mahalanobis = undefined
        if self._fitted is not None:
            spread, size = np.ptp(self.rows, axis=0).max(), np.abs(self.rows).max()
            with np.errstate(over="ignore", invalid="ignore"):
                mahalanobis = self._fitted.distances(s)
            defined = np.isfinite(mahalanobis) & (spread > ROUNDING * np.maximum(np.abs(s).max(axis=1), size))
            mahalanobis = np.where(defined, mahalanobis, undefined)
        return {
            "i_dist": self.n * mean,
            "i_dist_mean": mean,
            "relative": relative,
            "knn": knn(s, self.rows, k=min(self.neighbours, self.n)),
            "mahalanobis": mahalanobis,
            "percentile": undefined if own is None else percentiles(mean, own),
            "p_value": undefined if own is None else p_values(mean, own, self.groups),
            # In units of P's own residual.
            "residual": subspace_residual(features, self.basis.mean, s[:, : self.residual_components]) / self.own_residual
            if self.own_residual
            else undefined,
        }

    def columns(self, measured: Mapping[str, Float64Array]) -> dict[str, Float64Array]:
        """Select the columns of `measure` read by the site judge, in units of P's own distances.

        Ten significant digits are kept, so that an image alone has the same values as among many.
        """
        unit = self.self_distance or np.nan
        read = {"i_dist": measured["relative"], "knn": measured["knn"] / unit, "mahalanobis": measured["mahalanobis"]}
        return {name: significant(values, _DIGITS) for name, values in {**read, "residual": measured["residual"]}.items()}

    def with_judge(self, judge: SiteJudge) -> Self:
        """Return the profile with a site judge."""
        return replace(self, judge=judge)

    def notes(self) -> tuple[str, ...]:
        """List caveats about the profile's distances."""
        notes = [sentence] if (sentence := PixelReading.of(self.identity.get(READING, {})).sentence()) else []
        count = self.n if self.groups is None else int(self.groups.max()) + 1
        if self.own is None:
            notes.append(f"{self.primary} is a single image: it has no self-distance, so relative distances are undefined")
        elif self._fitted is None:
            notes.append(f"the images of {self.primary} are all alike: no distance from them can be told")
        elif count == 1:
            notes.append(single_group(self.primary, self.n))
        elif count < CONFORMAL:
            few = f"{self.primary} has {count} {'images' if self.groups is None else 'groups'}"
            notes.append(f"{few}: with fewer than {CONFORMAL} no image can be called far by its p-value")
        if self.basis.components < self.components:
            notes.append(f"only {self.basis.components} of the {self.components} components exist for {self.primary}")
        if self.neighbours > self.n:
            notes.append(f"{self.neighbours} neighbours were asked for, and {self.primary} has {self.n} images to be near to")
        return tuple(notes)

    def __repr__(self) -> str:
        lines = [
            f"Profile of {self.primary}: {self.n} images by {self.backbone}, q = {sum(self.layers):,}",
            f"subspace    {self.basis.components} components hold {100 * self.explained_variance:.1f} % of its variance"
            + (", layers scaled alike" if self.scale == "layers" else ""),
            f"yardstick   self-distance {format_number(self.self_distance)}; nearest {min(self.neighbours, self.n)} neighbours",
            *([] if self.judge is None else site_judge.lines(self.judge)),
        ]
        files = "file" if len(self.skipped) == 1 else "files"
        skipped = [f"{len(self.skipped)} {files} of {self.primary} could not be read (.skipped)"] if self.skipped else []
        return "\n".join(map(printable, [*lines, *skipped, *self.notes()]))

    @cached_property
    def _fitted(self) -> Fitted | None:
        return Fitted.on(self.rows) if np.ptp(self.rows, axis=0).max() > 0 else None
