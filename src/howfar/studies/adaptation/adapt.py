"""`howfar.adapt`: M, and models that a few labelled images of each secondary dataset were added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from howfar.data import Dataset, parse
from howfar.errors import InputError
from howfar.io.checkpoint import remove_abandoned
from howfar.keywords import AdaptOptions, TrainingOptions
from howfar.results.adaptation import Adaptation
from howfar.segmenters import segmenter_family
from howfar.settings import checked, picked, with_options
from howfar.studies.adaptation.leak_guard import Known
from howfar.studies.adaptation.models import StudyFolder
from howfar.studies.adaptation.settings import AdaptSettings
from howfar.studies.adaptation.study import Study
from howfar.studies.run_folder import write_run
from howfar.studies.study_inputs import sources_of
from howfar.training.image_mask_pairs import examples_of
from howfar.training.settings import settings_for


@with_options(AdaptOptions)
def adapt(
    primary: Any,
    secondaries: Sequence[Any],
    model: str = "unetplusplus",
    *,
    out: str | Path,
    background: Any = None,
    blind: Sequence[Any] = (),
    **options: Unpack[AdaptOptions],
) -> Adaptation:
    """Train M on P, and M_q on P and q images of each secondary; say what that gained on images that none of them learnt from.

    Section 4.3 and appendix C of the paper. For each seed: M; distances of the secondaries in M's own features; images
    chosen by each strategy; a model for each strategy and number of shots, and with background images. Whatever
    any of them learnt from is left out of every evaluation, with all tiles of its photograph. Each model's threshold is tuned
    on P's held-out photographs. A study that was stopped goes on where it was when it is run again with the same folder.

    Parameters
    ----------
    primary, secondaries
        P with masks; the secondaries with masks: dataset arguments, or datasets.
    model
        A registered segmenter: ``unetplusplus``, ``deepcrack``, ``adsam``.
    out
        Folder of the study: checkpoints, maps, and at the end its tables, figures and report.
    background
        A dataset without foreground, whose images are added to the models with the most shots as `background_shots` says. They
        are drawn once for the study; on the others every model's false positives are measured.
    blind
        Datasets that are never chosen from, scored where they have masks.

    Raises
    ------
    HowfarError
        Datasets without masks, too few images to choose from, a wrong setting; `LeakError` if an image that a model learnt
        from were about to be evaluated.
    """
    given = checked(AdaptOptions, options)
    given["shots"], given["background_shots"] = sorted(given["shots"]), sorted(given["background_shots"])
    config, group, pretrained = AdaptSettings.of(given), given["group"], given["pretrained"]
    if config.background_shots and background is None:
        raise InputError.of("background_shots", "are of no use without background", list(config.background_shots))
    family = segmenter_family(model)
    settings = settings_for(family, given["options"] or {}, **picked(TrainingOptions, given))
    p = Known.of(_dataset(primary), group)
    place = StudyFolder(
        folder=Path(out).expanduser().absolute(),
        segmenter=model,
        options=dict(family.checked(given["options"] or {})),
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
        primary=p.dataset.name,
        examples=examples_of(p.dataset, p.group),
        device=given["device"],
        workers=given["workers"] or 0,
        progress=given["progress"],
    )
    own = set(p.contents.values())
    others = [Known.of(_dataset(one), group).without(own) for one in secondaries]
    unseen = [Known.of(_dataset(one), group).without(own) for one in blind]
    empty = None if background is None else Known.of(_dataset(background), group).without(own)
    every = [p, *others, *unseen, *([] if empty is None else [empty])]
    if group is not None and all(one.group is None for one in every):
        example = next(iter(p.photographs))
        raise InputError.of("group", f"must match the names of images, such as {example!r}", group, "leave out the ending")
    names = [one.dataset.name for one in every]
    if len(set(names)) < len(names):
        raise InputError.of("datasets", "must have names of their own", sorted(names), "name them as NAME=PATH")
    arguments = (primary, list(secondaries), list(blind), [] if background is None else [background])
    sources = sources_of([one.dataset for one in every], *arguments)
    adaptation = replace(Study(config, place, settings, p, others, unseen, empty).run(), sources=sources)
    write_run(adaptation, place.folder)
    remove_abandoned(place.folder / "models")
    return adaptation


def _dataset(argument: Any) -> Dataset:
    found = argument if isinstance(argument, Dataset) else parse(argument)
    if not isinstance(found, Dataset):
        raise InputError.of("dataset", "must be images, not embeddings", found.name)
    return found
