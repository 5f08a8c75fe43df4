"""Save, load and score by a profile: one file that stands for a primary dataset when new images are scored."""

from __future__ import annotations

from pathlib import Path
from typing import Self, Unpack

from howfar.backbones import BackboneArgument, as_backbone
from howfar.keywords import BackboneOptions, ScorerOptions, ScoringOptions
from howfar.pipeline import profile_file
from howfar.pipeline.reference import Reference
from howfar.pipeline.score_inputs import NewImages, arrivals
from howfar.pipeline.scorer import Scorer, collect, load_again
from howfar.results.scores import Scores
from howfar.settings import picked, with_options


class Profile(Reference):
    """Hold what new images are scored by against a primary dataset P; `howfar.profile` makes it.

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
    expected
        Estimators of performance with their calibration and judgement, where labelled datasets were given.
    """

    @with_options(ScorerOptions)
    def scorer(self, backbone: BackboneArgument | None = None, **options: Unpack[ScorerOptions]) -> Scorer:
        """Load the backbone, once, to score images as they arrive.

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
        """Score new images: how far is each from the primary dataset, and will a model trained on that probably fail on it?

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
        """Write the profile to one file, whole or not at all, and return its path; the ending is free, ``.howfar`` the custom.

        The file is a zip of one JSON manifest and ``.npy`` arrays, in which nothing can be executed.

        Raises
        ------
        InputError
            The file cannot be written there.
        """
        return profile_file.save(self, Path(file))

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """Read a profile from the file that `save` wrote.

        Raises
        ------
        MissingPathError
            There is no such file.
        StoreError
            The file is no profile, of another format, or damaged.
        """
        return profile_file.load(Path(file), cls)
