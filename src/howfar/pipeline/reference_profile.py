"""Save, load and score by a profile: one file that stands for a primary dataset when new images are scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, Unpack

from howfar.arrays import Float64Array
from howfar.backbones import BackboneArgument, as_backbone
from howfar.distances.dataset import leave_one_out
from howfar.distances.mahalanobis import leave_one_out_residual, subspace_residual
from howfar.keywords import BackboneOptions, ScorerOptions, ScoringOptions
from howfar.pipeline import reference
from howfar.pipeline.measure import check_plan
from howfar.pipeline.pairs import projector_of
from howfar.pipeline.reference import PrimaryReference
from howfar.pipeline.scorer import NewImages, Scorer, arrivals, collect, load_again
from howfar.projection import Basis, Projector
from howfar.results import Features, Provenance, Settings
from howfar.results.scores import Scores
from howfar.settings import picked, with_options


class Profile(PrimaryReference):
    """Hold the reference for scoring new images against a primary dataset P; made by `howfar.profile`.

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
    own_residual
        How far P's images lie off the subspace on average, leave-one-out; None where it holds all of them, where layers are
        scaled, and in profiles of howfar 0.1.
    judge
        The judge of sites, with its estimators and the gate's range, where labelled datasets were given.
    residual_components
        How many leading components `own_residual` is off; None where it is all of them.
    """

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
        count = residual_components(*features.rows.shape, rows.shape[1])
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
            own=leave_one_out(rows) if len(rows) > 1 else None,
            provenance=Provenance.now(),
            skipped=features.skipped,
            own_residual=_own_residual(features, basis, rows[:, :count], settings.scale),
            residual_components=count,
        )

    @with_options(ScorerOptions)
    def scorer(self, backbone: BackboneArgument | None = None, **options: Unpack[ScorerOptions]) -> Scorer:
        """Load the backbone once, and return a scorer for images as they arrive.

        Parameters
        ----------
        backbone
            A loaded one, a torch module or a named function; by default the profile's own is loaded again, by its own options
            where none are given here: the device, or weights that have moved.

        Raises
        ------
        HowfarError
            The backbone cannot be loaded, or gives other features than the profile's; or an option is wrong.
        """
        loading = picked(BackboneOptions, options)
        model = load_again(self, **loading) if backbone is None else as_backbone(backbone, loading)
        return Scorer(self, model, picked(ScoringOptions, options))

    @with_options(ScorerOptions)
    def score(self, new: NewImages, backbone: BackboneArgument | None = None, **options: Unpack[ScorerOptions]) -> Scores:
        """Score new images: the distance of each from the primary dataset, and whether the model will probably fail.

        Parameters
        ----------
        new
            An image file or a picture in memory, a folder or any other dataset argument, ready-made embeddings, or a list of
            such.
        backbone
            A loaded one, a torch module or a named function; by default the profile's own is loaded again as by `scorer`,
            unless all images are embeddings.

        Raises
        ------
        HowfarError
            The backbone cannot be loaded, or gives other features than the profile's; an option is wrong, or a dataset is
            missing. A file that cannot be read is listed in `Scores.skipped` instead.

        Examples
        --------
        >>> import numpy as np
        >>> from howfar.studies.profile import profile
        >>> rng = np.random.default_rng(0)
        >>> scores = profile(rng.normal(size=(50, 8))).score(rng.normal([[0.0], [9.0]], 1.0, size=(2, 8)))
        >>> [(f"{score.relative:.1f}", score.flag) for score in scores.images]
        [('1.1', False), ('6.4', True)]
        """
        groups, loading = arrivals(new), picked(BackboneOptions, options)
        model = None if backbone is None else as_backbone(backbone, loading)
        if model is None and any(group.items for group in groups):
            model = load_again(self, **loading)
        return collect(Scorer(self, model, picked(ScoringOptions, options)), groups)

    def save(self, file: str | Path) -> Path:
        """Write the profile to one file atomically, and return its path; by convention the file ends in ``.howfar``.

        The file is a zip of one JSON manifest and ``.npy`` arrays, in which nothing can be executed. Raises `InputError` where
        it cannot be written.
        """
        return reference.save(self, Path(file))

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """Read a profile from the file that `save` wrote.

        Raises `MissingPathError` where there is no such file, and `StoreError` where it is no profile, of another format, or
        damaged.
        """
        return reference.load(Path(file), cls)


def residual_components(n: int, q: int, z: int) -> int:
    """Choose the number of leading components for the residual, at most half the number of P's images."""
    return min(z, max((n - 1) // 2, 1))


def _own_residual(features: Features, basis: Basis, rows: Float64Array, scale: str) -> float | None:
    """Compute the mean leave-one-out residual of P's images; None if layers are scaled or the subspace spans all images."""
    n, q = features.rows.shape
    if scale != "none" or rows.shape[1] >= min(q, n - 1):
        return None
    return float(leave_one_out_residual(subspace_residual(features.rows, basis.mean, rows), rows).mean())
