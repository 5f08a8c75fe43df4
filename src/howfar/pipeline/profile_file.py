"""Save and load a `Profile`, one file that replaces a primary dataset's images when new images are scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from howfar.backbones import BackboneArgument, as_backbone
from howfar.errors import MissingPathError, StoreError, one_line
from howfar.image_reading_options import READING
from howfar.io import array_files_and_archives
from howfar.option_checks_and_signatures import picked, with_options
from howfar.options_by_function import BackboneOptions, ScorerOptions, ScoringOptions
from howfar.pipeline.primary_reference import PrimaryReference
from howfar.pipeline.profile_scorer import NewImages, Scorer, arrivals, gathered, load_again
from howfar.projection import Basis
from howfar.relation.site_judge import SiteJudge
from howfar.results import Provenance, Skipped
from howfar.results.display_and_shared_records import plain
from howfar.results.scores import Scores

KIND = "howfar profile"
FORMAT = 1
PROFILE: Final = "profile.howfar"
"""Within the run folder of an assessment, its profile."""


class Profile(PrimaryReference):
    """Hold the reference for scoring new images against a primary dataset P; made by `howfar.profile`.

    `primary` and `n` are P's name and number of images, `backbone` and `options` what `howfar.load_backbone` was given (never
    the device), `identity` and `layers` all that the features depend on and the lengths of their parts. `components`, `scale`
    and `neighbours` are z as asked for, "none" or "layers", and k of the nearest-neighbour distance. `basis` is the subspace
    fitted on P ((q,) mean, (q, z) matrix, explained variance), `rows` (n, z) are P's images in it, and `own` (n,) their
    leave-one-out distances; None where P is a single image. `own_residual` is how far P's images lie off the subspace of its
    leading `residual_components` on average, leave-one-out; None where it holds all of them, where layers are scaled, and in
    profiles of howfar 0.1. `groups` (n,) number the groups of P's images, None if no two share one: distances in `own` are then
    from other groups' images, and a p-value counts each group once. `judge` judges sites, where labelled datasets were given.
    `skipped` are the files of P that could not be read.
    """

    @with_options(ScorerOptions)
    def scorer(self, backbone: BackboneArgument | None = None, **options: Unpack[ScorerOptions]) -> Scorer:
        """Load the backbone once, and return a scorer for images as they arrive.

        Raises `HowfarError` where the backbone cannot be loaded, or gives other features than the profile's, or an option is
        wrong.

        Parameters
        ----------
        backbone
            A loaded one, a torch module or a named function; by default the profile's own is loaded again, by its own options
            where none are given here: the device, or weights that have moved.
        """
        loading = picked(BackboneOptions, options)
        model = load_again(self, **loading) if backbone is None else as_backbone(backbone, loading)
        return Scorer(self, model, picked(ScoringOptions, options))

    @with_options(ScorerOptions)
    def score(self, new: NewImages, backbone: BackboneArgument | None = None, **options: Unpack[ScorerOptions]) -> Scores:
        """Score new images: the distance of each from the primary dataset, and whether the model will probably fail.

        Raises `HowfarError` where the backbone cannot be loaded, or gives other features than the profile's, where an option is
        wrong, or where a dataset is missing. A file that cannot be read is listed in `Scores.skipped` instead.

        Parameters
        ----------
        new
            An image file or a picture in memory, a folder or any other dataset argument, ready-made embeddings, or a list of
            such.
        backbone
            A loaded one, a torch module or a named function; by default the profile's own is loaded again as by `scorer`,
            unless all images are embeddings.

        Examples
        --------
        >>> import numpy as np
        >>> from howfar.studies.profile_dataset import profile
        >>> rng = np.random.default_rng(0)
        >>> scores = profile(rng.normal(size=(50, 8))).score(rng.normal([[0.0], [9.0]], 1.0, size=(2, 8)))
        >>> [(f"{score.relative:.1f}", score.flag) for score in scores.images]
        [('1.1', False), ('6.4', True)]
        """
        groups, loading = arrivals(new, self.identity.get(READING)), picked(BackboneOptions, options)
        model = None if backbone is None else as_backbone(backbone, loading)
        if model is None and any(group.items for group in groups):
            model = load_again(self, **loading)
        scorer = Scorer(self, model, picked(ScoringOptions, options))
        return gathered(scorer, [outcome for group in groups for outcome in scorer.each(group)])

    def save(self, file: str | Path) -> Path:
        """Write the profile to one file atomically, and return its path; by convention the file ends in ``.howfar``.

        The file is a zip of one JSON manifest and ``.npy`` arrays, in which nothing can be executed. Raises `InputError` where
        it cannot be written.
        """
        arrays = {
            "mean": self.basis.mean,
            "basis": self.basis.matrix,
            "explained_variance_ratio": self.basis.explained_variance_ratio,
            "rows": self.rows,
        }
        manifest = document(self) | {"fits": None if self.judge is None else self.judge.fitted()}
        further = {name: array for name, array in (("own", self.own), ("groups", self.groups)) if array is not None}
        array_files_and_archives.write(Path(file), manifest, arrays | further)
        return Path(file)

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """Read a profile from the file that `save` wrote.

        Raises `MissingPathError` where there is no such file, and `StoreError` where it is no profile, of another format, or
        damaged.
        """
        path = Path(file)
        if path.is_dir() and not (path / PROFILE).is_file():
            raise MissingPathError(f"{path} is a folder without {PROFILE}: pass a profile, or a run folder of howfar assess")
        path = place_of(path)
        manifest, arrays = array_files_and_archives.read(path)
        if manifest.get("kind") != KIND:
            raise StoreError(f"{path} is no profile: pass a file that howfar profile -o wrote")
        if manifest.get("format") != FORMAT:
            raise StoreError(
                f"{path} has the profile format {manifest.get('format')!r} (by howfar {manifest.get('howfar')}), and this "
                f"howfar reads {FORMAT}: make the profile again"
            )
        try:
            return cls(**_fields(manifest, arrays))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            reason = f"{type(error).__name__}: {one_line(error, 120)}"
            raise StoreError(f"{path}: profile is damaged ({reason}): make it again") from error


def place_of(path: str | Path) -> Path:
    """Return a profile's file; for a folder, the profile within that assessment's run folder."""
    place = Path(path)
    return place / PROFILE if place.is_dir() else place


def document(profile: Profile) -> dict[str, Any]:
    """Return the output of ``howfar profile --json``: the manifest without the estimators' fits."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "howfar": profile.provenance.howfar,
        "primary": {"name": profile.primary, "n": profile.n, "self_distance": profile.self_distance},
        "own_residual": profile.own_residual,
        "residual_components": profile.residual_components,
        "backbone": {
            "name": profile.backbone,
            "options": dict(profile.options),
            "identity": plain(profile.identity),
            "layers": list(profile.layers),
        },
        "settings": {"components": profile.components, "scale": profile.scale, "neighbours": profile.neighbours},
        "explained_variance": profile.explained_variance,
        "performance": None if profile.judge is None else profile.judge.to_dict(),
        "skipped": [asdict(file) for file in profile.skipped],
        "provenance": plain(asdict(profile.provenance)),
    }


def _fields(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the fields of a profile read from its file; raise for what is damaged."""
    n, layers = int(manifest["primary"]["n"]), tuple(int(length) for length in manifest["backbone"]["layers"])
    z = arrays["rows"].shape[1]
    shapes = {"mean": (sum(layers),), "basis": (sum(layers), z), "explained_variance_ratio": (z,), "rows": (n, z)}
    groups = arrays.get("groups")
    if groups is not None and (
        groups.shape != (n,) or groups.dtype != np.int64 or set(groups.tolist()) != set(range(groups.max() + 1))
    ):
        raise ValueError(f"groups must number the groups of {n} images from 0, got {groups.dtype} {groups.shape}")
    alone = n < 2
    for name, shape in (shapes | ({} if alone else {"own": (n,)})).items():
        array, types = arrays[name], (np.float32, np.float64) if name == "basis" else (np.float64,)
        if array.shape != shape or array.dtype not in types or not np.isfinite(array).all():
            raise ValueError(f"{name} must hold finite numbers of the shape {shape}, got {array.dtype} {array.shape}")
    performance, count = manifest["performance"], manifest.get("residual_components")
    if count is not None and (not isinstance(count, int) or not 1 <= count <= z):
        raise ValueError(f"residual_components must be 1 to {z}, got {count!r}")
    return dict(
        primary=str(manifest["primary"]["name"]),
        n=n,
        backbone=str(manifest["backbone"]["name"]),
        options=dict(manifest["backbone"]["options"]),
        identity=dict(manifest["backbone"]["identity"]),
        layers=layers,
        **manifest["settings"],
        basis=Basis(arrays["mean"], arrays["basis"], arrays["explained_variance_ratio"]),
        rows=arrays["rows"],
        own=None if alone else arrays["own"],
        provenance=Provenance(**manifest["provenance"]),
        skipped=tuple(Skipped(**file) for file in manifest["skipped"]),
        judge=None if performance is None else SiteJudge.from_dict(performance, manifest["fits"]),
        own_residual=None if manifest.get("own_residual") is None else float(manifest["own_residual"]),
        residual_components=count,
        groups=groups,
    )
