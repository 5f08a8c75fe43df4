"""Describe a primary dataset by a reference profile, by which new images are scored without the dataset's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.distances.dataset import image_to_dataset
from howfar.distances.knn import knn
from howfar.distances.mahalanobis import Fitted
from howfar.numbers import format_number
from howfar.pipeline.bootstrap import ROUNDING
from howfar.pipeline.embedding import BATCH_SIZE
from howfar.projection import Basis
from howfar.protocols import Rows
from howfar.results import Provenance, Skipped
from howfar.significance import p_values, percentiles

if TYPE_CHECKING:
    from howfar.pipeline.performance_predictor import Expected
    from howfar.pipeline.scorer import Scorer
    from howfar.protocols import Backbone
    from howfar.results.scores import Scores
    from howfar.store import Store

CONFORMAL = 19


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """Hold what is needed of a primary dataset P to score new images by it; `howfar.profile` makes it.

    Attributes
    ----------
    primary, n
        P's name and number of images.
    backbone, options
        The backbone's name, and the options that `howfar.load_backbone` was given beside it (never the device).
    identity, layers
        Weights, preprocessing and all else that the features depend on; the lengths of their parts.
    components, scale, neighbours
        z as asked for; "none" or "layers"; k of the nearest-neighbour distance.
    basis
        The subspace fitted on P: (q,) mean, (q, z) matrix, explained variance.
    rows
        (n, z) P's images in it.
    own
        (n,) leave-one-out distances of P's images, in P's order; None where P is a single image.
    provenance, skipped
        Version and time of the run that made the profile; the files of P that could not be read.
    expected
        Estimators of performance with their calibration and judgement, where labelled datasets were given.
    """

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
    expected: Expected | None = None

    @property
    def self_distance(self) -> float | None:
        """Return O^dist(P, P), leave-one-out: the yardstick of relative distances; None for a single image."""
        return None if self.own is None else float(self.own.mean())

    @property
    def explained_variance(self) -> float:
        """Return the share of P's total variance that the subspace holds."""
        return self.basis.explained_variance

    def measure(self, features: ArrayLike | Rows) -> dict[str, Float64Array]:
        """Measure the distances of new images from P by their features, as ``howfar compare --projection primary`` does.

        Parameters
        ----------
        features
            (m, q) features of the profile's own kind, which cannot be checked here.

        Returns
        -------
        dict
            i_dist, i_dist_mean, relative, knn, mahalanobis, percentile, p_value: (m,) float64 each, nan where undefined.

        Raises
        ------
        InputError
            Features that are not a finite two-dimensional table of numbers, or of another width.
        """
        s = self.basis.scores(features)
        mean = image_to_dataset(s, self.rows)
        undefined = np.full(len(s), np.nan)
        # Where P's images are all alike the subspace holds nothing, and every image would look near.
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
        }

    def columns(self, measured: Mapping[str, Float64Array]) -> dict[str, Float64Array]:
        """Compute the columns that estimators read from those of `measure`: distances in units of P's own."""
        unit = self.self_distance or np.nan
        return {
            "i_dist": measured["relative"],
            "knn": measured["knn"] / unit,
            "mahalanobis": measured["mahalanobis"],
        }

    def scorer(
        self,
        backbone: Backbone | None = None,
        *,
        batch_size: int = BATCH_SIZE,
        workers: int | None = None,
        store: Store | str | Path | None = None,
        estimator: str = "auto",
        predictions: str | Path | None = None,
        flipped: str | Path | None = None,
        ensemble: Sequence[str | Path] = (),
        **options: Any,
    ) -> Scorer:
        """Load the backbone, once, to score images as they arrive.

        Parameters
        ----------
        backbone
            A loaded one; by default the profile's own is loaded again.
        batch_size, workers
            Images at a time, and how many batches at once (default: the cores at hand).
        store
            Where to look features up and to keep new ones; by default neither is done.
        estimator
            "auto": of the estimators that an image has the columns for, the best judged; or the name of one.
        predictions, flipped, ensemble
            Folders of the model's probability maps, of its maps of the flipped images, and of further models' maps.
        **options
            Passed to `howfar.load_backbone` beside the profile's own: device; weights where the file has moved.

        Raises
        ------
        HowfarError
            The backbone cannot be loaded, or gives other features than the profile's; or an option is wrong.
        """
        from howfar.pipeline.scorer import Scorer, ScoringOptions, load_again

        scoring = ScoringOptions(batch_size, workers, store, estimator, predictions, flipped, tuple(ensemble))
        return Scorer(self, load_again(self, **options) if backbone is None else backbone, scoring)

    def score(
        self,
        new: Any,
        backbone: Backbone | None = None,
        *,
        batch_size: int = BATCH_SIZE,
        workers: int | None = None,
        store: Store | str | Path | None = None,
        estimator: str = "auto",
        predictions: str | Path | None = None,
        flipped: str | Path | None = None,
        ensemble: Sequence[str | Path] = (),
        **options: Any,
    ) -> Scores:
        """Score new images: how far each is from P, and whether a model trained on P will probably fail on it.

        Parameters
        ----------
        new
            An image file, a folder or any other dataset argument, ready-made embeddings, or a list of such.
        backbone
            A loaded one; by default the profile's own is loaded again, unless all images are embeddings.
        batch_size, workers
            Images at a time, and how many batches at once (default: the cores at hand).
        store
            Where to look features up and to keep new ones; by default neither is done.
        estimator
            "auto": of the estimators that an image has the columns for, the best judged; or the name of one.
        predictions, flipped, ensemble
            Folders of the model's probability maps, of its maps of the flipped images, and of further models' maps.
        **options
            Passed to `howfar.load_backbone` beside the profile's own: device; weights where the file has moved.

        Raises
        ------
        HowfarError
            The backbone cannot be loaded, or gives other features than the profile's; an option is wrong, or a dataset is
            missing. A file that cannot be read is listed in `Scores.skipped` instead.

        Examples
        --------
        >>> from howfar.studies.profile import profile
        >>> rng = np.random.default_rng(0)
        >>> scores = profile(rng.normal(size=(50, 8))).score(rng.normal([[0.0], [9.0]], 1.0, size=(2, 8)))
        >>> [(f"{score.relative:.1f}", score.flag) for score in scores.images]
        [('1.1', False), ('6.4', True)]
        """
        from howfar.pipeline.score_inputs import arrivals
        from howfar.pipeline.scorer import Scorer, ScoringOptions, collect, load_again

        groups = arrivals(new)
        if backbone is None and any(group.items for group in groups):
            backbone = load_again(self, **options)
        return collect(
            Scorer(
                self, backbone, ScoringOptions(batch_size, workers, store, estimator, predictions, flipped, tuple(ensemble))
            ),
            groups,
        )

    def save(self, file: str | Path) -> Path:
        """Write the profile to one file, whole or not at all, and return its path; the ending is free, ``.howfar`` the custom.

        The file is a zip of one JSON manifest and ``.npy`` arrays, in which nothing can be executed.

        Raises
        ------
        InputError
            The file cannot be written there.
        """
        from howfar.pipeline.profile_file import save

        return save(self, Path(file))

    @classmethod
    def load(cls, file: str | Path) -> Profile:
        """Read a profile back from its file.

        Raises
        ------
        MissingPathError
            There is no such file.
        StoreError
            The file is no profile, of another format, or damaged.
        """
        from howfar.pipeline.profile_file import load

        return load(Path(file))

    def with_expected(self, expected: Expected) -> Profile:
        """Add estimators of performance to a copy of the profile."""
        return replace(self, expected=expected)

    def notes(self) -> tuple[str, ...]:
        """List what whoever reads the profile's distances should know."""
        sentences = []
        if self.own is None:
            sentences.append(f"{self.primary} is a single image: it has no self-distance, so relative distances are undefined")
        elif self._fitted is None:
            sentences.append(f"the images of {self.primary} are all alike: no distance from them can be told")
        elif self.n < CONFORMAL:
            sentences.append(
                f"{self.primary} has {self.n} images: with fewer than {CONFORMAL} no image can be called far by its p-value"
            )
        if self.basis.components < self.components:
            sentences.append(
                f"{self.components} components were asked for, and {self.basis.components} can be had of {self.primary}"
            )
        if self.neighbours > self.n:
            sentences.append(
                f"{self.neighbours} neighbours were asked for, and {self.primary} has {self.n} images to be near to"
            )
        return tuple(sentences)

    def __repr__(self) -> str:
        lines = [
            f"Profile of {self.primary}: {self.n} images by {self.backbone}, q = {sum(self.layers):,}",
            f"subspace    {self.basis.components} components hold {100 * self.explained_variance:.1f} % of its variance"
            + (", layers scaled alike" if self.scale == "layers" else ""),
            f"yardstick   self-distance {format_number(self.self_distance)}; nearest {min(self.neighbours, self.n)} neighbours",
            *([] if self.expected is None else self.expected.lines()),
        ]
        files = "file" if len(self.skipped) == 1 else "files"
        skipped = [f"{len(self.skipped)} {files} of {self.primary} could not be read (.skipped)"] if self.skipped else []
        return "\n".join([*lines, *skipped, *self.notes()])

    @cached_property
    def _sorted(self) -> Float64Array | None:
        return None if self.own is None else np.sort(self.own)

    @cached_property
    def _fitted(self) -> Fitted | None:
        return Fitted.on(self.rows) if np.ptp(self.rows, axis=0).max() > 0 else None

    def _mahalanobis(self, s: Float64Array) -> Float64Array:
        undefined = np.full(len(s), np.nan)
        if self._fitted is None:
            return undefined
        spread, size = np.ptp(self.rows, axis=0).max(), np.abs(self.rows).max()
        with np.errstate(over="ignore", invalid="ignore"):
            distances = self._fitted.distances(s)
        defined = np.isfinite(distances) & (spread > ROUNDING * np.maximum(np.abs(s).max(axis=1), size))
        return np.where(defined, distances, undefined)
