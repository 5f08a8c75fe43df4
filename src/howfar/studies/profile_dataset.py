"""Make a reference profile: one file that measures new images' distances and predicts scores without the primary's images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd

from howfar.backbones import BackboneArgument, as_loaded, is_stored
from howfar.data import DatasetArgument, DatasetsArgument, parse
from howfar.data.image_groups_and_variations import grouped
from howfar.errors import InputError
from howfar.memory import within
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import BackboneOptions, CompareSettings, ProfileOptions
from howfar.pipeline.embedding import embed_all
from howfar.pipeline.pair_measurement import check_plan
from howfar.pipeline.primary_reference import PrimaryReference
from howfar.pipeline.profile_file import Profile
from howfar.pipeline.profile_scorer import check_same
from howfar.progress import doing
from howfar.relation.site_judge import judge_of
from howfar.results import Evaluation, Features, Settings
from howfar.studies.performance.image_performance import (
    GROUP,
    MeasuredImages,
    Performances,
    read_performances,
    split_performances,
)
from howfar.studies.study_inputs import Execution, check_names, loaded, parse_all


def measured_images(
    profile: PrimaryReference,
    labelled: Sequence[Features],
    evaluations: Sequence[Evaluation],
    own: Evaluation | None,
    threshold: float | None,
) -> MeasuredImages:
    """Measure datasets with a profile, and add their images' performance at the common threshold; `own` is the primary's."""
    frames = [
        pd.DataFrame(
            {"dataset": of.name, "image": of.images, "content": of.contents, **({GROUP: of.groups} if of.groups else {})}
        )
        for of in labelled
    ]
    measured = [profile.columns(profile.measure(features.rows)) for features in labelled]
    distances = {name: np.concatenate([columns[name] for columns in measured]) for name in measured[0]}
    return MeasuredImages.of(pd.concat(frames, ignore_index=True), distances, evaluations, own, threshold)


@with_options(ProfileOptions)
def profile(
    primary: DatasetArgument,
    backbone: BackboneArgument = DEFAULT_BACKBONE,
    *,
    labelled: DatasetsArgument | None = None,
    performance: Performances | Sequence[Performances] | None = None,
    **options: Unpack[ProfileOptions],
) -> Profile:
    """Make a primary dataset's reference profile, which scores new images without the dataset's images.

    The subspace is fitted on P alone (as ``projection="primary"``), since one image at a time must be placed in it.

    Parameters
    ----------
    primary
        P, as `howfar.compare` takes it.
    backbone
        A registered name (see ``howfar backbones``), so that scoring can load it again; or a torch module, a function or a
        loaded backbone, which scoring is then to be given too.
    labelled
        Secondary datasets whose performance is known: one dataset argument or a list. With them the profile predicts.
    performance
        What is known: `Evaluation` objects, files of ``howfar evaluate -o``, or tables with the columns image and
        performance. One of the primary itself gives the common threshold.

    Raises
    ------
    HowfarError
        A dataset that is missing, empty or unreadable, an unknown name or setting; labelled datasets without
        performances or the reverse, or performances of no image of theirs.

    Examples
    --------
    >>> import numpy as np
    >>> profile(np.random.default_rng(0).normal(size=(50, 8)), components=4)
    Profile of primary: 50 images by embeddings, q = 8
    subspace    4 components hold 68.0 % of its variance
    yardstick   self-distance 3.108; nearest 5 neighbours
    """
    given = checked(ProfileOptions, options)
    chosen: CompareSettings = {**picked(CompareSettings, given), "projection": "primary"}
    settings = Settings(**checked(CompareSettings, chosen))
    execution, loading = Execution.of(given), picked(BackboneOptions, options)
    with within(given["memory"]):
        first = parse(primary, unnamed="primary")  # before the others, which are read by the range that it gives
        others = [] if labelled is None else parse_all(labelled, "labelled")
        datasets = [first, *others]
        check_names(datasets)
        datasets = grouped(datasets, given["group"])
        known = performance is not None and not (isinstance(performance, Sequence) and not len(performance))
        if known and not others:
            raise InputError.of(
                "performance", "is of no use without labelled datasets: name those that it tells of as labelled"
            )
        if others and not known:
            line = f"labelled datasets need their performance ({others[0].name})"
            raise InputError(f"{line}: pass what howfar evaluate -o wrote")
        performances = read_performances(performance, [of.name for of in datasets]) if known and performance is not None else []
    doing("loading the backbone")
    model = loaded(datasets, backbone, loading, execution.runner)
    doing("measuring what the profile holds")
    features = [dataset for dataset in datasets if isinstance(dataset, Features)]
    if model is not None and not is_stored(model):
        rule = "must have a name that stands for it, since new images are to be scored by the same"
        raise InputError.of("backbone", rule, model.name, "pass howfar.backbones.function(f, name)")
    with within(given["memory"]):
        if model is not None:
            check_plan([len(datasets[0]), 0], sum(model.layers), len(model.layers), settings, basis=True)
            features = [views[0] for views in embed_all(datasets, [model], *execution)]
        reloading = {key: value for key, value in as_loaded(backbone, loading).items() if key not in ("name", "device")}
        reference = Profile.of(features[0], settings, None if model is None else model.name, reloading)
        if not performances:
            return reference
        for other in features[1:]:
            check_same(reference.identity, other.identity, reference.primary, other.name)
        own, evaluations = split_performances(performances, reference.primary, "evaluate one of them too", kind="labelled")
        measured = measured_images(reference, features[1:], evaluations, own, given["threshold"])
        scores = measured.scores
        if not np.isfinite(scores.performance).any():
            raise InputError.of("performance", "must be known of some labelled image", "none of them")
        evidence = measured.evidence(given["group"], reference.primary)
        scored, contents = set(measured.sets[np.isfinite(scores.performance)]), set(features[0].contents)
        remarks = [f"{other.name} has no image with a performance" for other in features[1:] if other.name not in scored]
        for other in features[1:]:
            if shared := sum(content in contents for content in other.contents):
                which = "which makes it look nearer than it is"
                remarks.append(f"{other.name} shares {shared} images with {reference.primary}, {which}")
        lost = {name or "a table": count for name, count in measured.matched.unmatched.items() if count}
        remarks += [f"the performance of {name} tells of {count} images that are not in it" for name, count in lost.items()]
        judge = judge_of(evidence, measured.terms(given), scores.metric, scores.threshold, remarks=remarks)
        return reference.with_judge(judge)
