"""Make the profile of a primary dataset: one file by which new images are scored without the dataset's images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from howfar.backbones import BackboneArgument, as_loaded, is_stored
from howfar.data import Dataset, DatasetArgument, DatasetsArgument, parse
from howfar.data.groups import pattern_of
from howfar.errors import InputError
from howfar.keywords import BackboneOptions, CalibrationOptions, CompareSettings, ProfileOptions
from howfar.memory import within
from howfar.options import DEFAULT_BACKBONE
from howfar.pipeline import embed_all
from howfar.pipeline.feature_identity import check_same
from howfar.pipeline.memory_plan import check_plan
from howfar.pipeline.reference_profile import Profile
from howfar.progress import doing
from howfar.results import Evaluation, Features, Settings
from howfar.settings import checked, picked, with_options
from howfar.studies.performance.performance_files import Performances, read_performances
from howfar.studies.profile_calibration import judge_by
from howfar.studies.study_inputs import Execution, check_names, loaded, parse_all


@with_options(ProfileOptions)
def profile(
    primary: DatasetArgument,
    backbone: BackboneArgument = DEFAULT_BACKBONE,
    *,
    labelled: DatasetsArgument | None = None,
    performance: Performances | Sequence[Performances] | None = None,
    **options: Unpack[ProfileOptions],
) -> Profile:
    """Make a reference profile of a primary dataset: new images are scored by it without the dataset's images.

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
    if given["group"] is not None:
        pattern_of(given["group"])
    execution, loading = Execution.of(given), picked(BackboneOptions, options)
    with within(given["memory"]):
        datasets = _datasets(primary, labelled)
        performances = _performances(datasets[1:], performance)
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
        reference = Profile.of(features[0], settings, None if model is None else model.name, _reloading(backbone, loading))
        if not performances:
            return reference
        for other in features[1:]:
            check_same(reference.identity, other.identity, reference.primary, other.name)
        calibration = picked(CalibrationOptions, given)
        return reference.with_judge(judge_by(reference, features[1:], performances, calibration, features[0].contents))


def _datasets(primary: DatasetArgument, labelled: DatasetsArgument | None) -> list[Dataset | Features]:
    others = [] if labelled is None else parse_all(labelled, "labelled")
    datasets = [parse(primary, unnamed="primary"), *others]
    check_names(datasets)
    return datasets


def _performances(labelled: Sequence[Dataset | Features], performance: Any) -> list[Evaluation]:
    """Read the performances; none where neither they nor labelled datasets are given."""
    given = performance is not None and not (isinstance(performance, Sequence) and not len(performance))
    if given and not labelled:
        raise InputError("performance is of no use without labelled datasets: name those that it tells of as labelled")
    if labelled and not given:
        raise InputError(f"labelled datasets need their performance ({labelled[0].name}): pass what howfar evaluate -o wrote")
    return read_performances(performance) if given else []


def _reloading(backbone: BackboneArgument, options: BackboneOptions) -> dict[str, Any]:
    """Return the options to load the backbone again with; the device is left to where that is done."""
    return {name: value for name, value in as_loaded(backbone, options).items() if name not in ("name", "device")}
