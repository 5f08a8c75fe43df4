"""Adapt a segmenter by a few labelled images of each secondary dataset, beside one trained on the primary alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from howfar.data import DatasetArgument
from howfar.data.hashed_dataset import HashedDataset
from howfar.errors import InputError
from howfar.io.checkpoint import remove_abandoned
from howfar.keywords import AdaptOptions, TrainingOptions
from howfar.pipeline import check_reach
from howfar.results.adaptation import Adaptation
from howfar.results.run_files import page_folder
from howfar.runners import make_runner
from howfar.segmenters import segmenter_family
from howfar.settings import checked, picked, with_options
from howfar.studies.adaptation.models import StudyFolder
from howfar.studies.adaptation.settings import AdaptSettings
from howfar.studies.adaptation.study import Study
from howfar.studies.adaptation.tables import numbers_of_study
from howfar.studies.run_folder import write_run
from howfar.studies.study_inputs import check_names, keep_pictures, parse_images, sources_of
from howfar.tracking import check_tracker, log_result
from howfar.training.image_mask_pairs import examples_of
from howfar.training.settings import settings_for


@with_options(AdaptOptions)
def adapt(
    primary: DatasetArgument,
    secondaries: Sequence[DatasetArgument],
    model: str = "unetplusplus",
    *,
    out: str | Path,
    background: DatasetArgument | None = None,
    blind: Sequence[DatasetArgument] = (),
    **options: Unpack[AdaptOptions],
) -> Adaptation:
    """Train a segmenter on the primary dataset alone and with a few images of each secondary, and measure what those gain.

    Section 4.3 and appendix C of the paper. For each seed: M, trained on P alone; distances of the secondaries in M's own
    features; images chosen by each strategy; a model for each strategy and number of shots, and with background. Whatever
    any of them learnt from is left out of every evaluation, with all tiles of its photograph. Each model's threshold is tuned
    on P's held-out photographs. A study that was stopped goes on where it was when it is run again with the same folder.

    Parameters
    ----------
    primary, secondaries
        P with masks; the secondaries with masks: dataset arguments, or datasets.
    model
        A registered segmenter: ``unetplusplus``, ``deepcrack``, ``adsam``, ``frozen``.
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
    check_tracker(given["log"])
    given["shots"], given["background_shots"] = sorted(given["shots"]), sorted(given["background_shots"])
    config, group, pretrained = AdaptSettings.of(given), given["group"], given["pretrained"]
    config.check_given(blind=bool(blind), background=background is not None)
    family = segmenter_family(model)
    settings = settings_for(family, given["options"] or {}, **picked(TrainingOptions, given))
    runner = make_runner(given["runner"], given["workers"])
    page_folder("out", out, Adaptation.COMMAND)
    p = HashedDataset.of(parse_images(primary, "primary"), group)
    study_folder = StudyFolder(
        folder=Path(out).expanduser().absolute(),
        segmenter=model,
        options=dict(family.checked(given["options"] or {})),
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
        primary=p.dataset.name,
        examples=examples_of(p.dataset, p.group),
        device=given["device"],
        workers=0 if runner.processes else given["workers"] or 0,  # with processes, their number
        progress=given["progress"],
        group=p.group,
        tracker=given["log"],
    )
    own = set(p.contents.values())
    others, unseen = (
        [HashedDataset.of(parse_images(argument, f"{unnamed}-{number}"), group).without(own) for number, argument in each]
        for unnamed, each in (("secondary", enumerate(secondaries, start=1)), ("blind", enumerate(blind, start=1)))
    )
    empty = None if background is None else HashedDataset.of(parse_images(background, "background"), group).without(own)
    every = [p, *others, *unseen, *([] if empty is None else [empty])]
    _check_group(group, every)
    datasets = [hashed.dataset for hashed in every]
    check_names(datasets)
    check_reach(datasets, runner)
    arguments = (primary, *secondaries, *blind, *([] if background is None else [background]))
    adaptation = Study(config, study_folder, settings, p, others, unseen, empty, runner).run()
    adaptation = replace(adaptation, sources=sources_of(datasets, *([argument] for argument in arguments)))
    _leave(adaptation, study_folder, config)
    return keep_pictures(adaptation, datasets)


def _check_group(group: str | None, every: Sequence[HashedDataset]) -> None:
    """Refuse a pattern of photographs that fits the names of no dataset."""
    if group is not None and all(hashed.group is None for hashed in every):
        example = next(iter(every[0].photographs))
        raise InputError.of("group", f"must match the names of images, such as {example!r}", group, "leave out the ending")


def _leave(adaptation: Adaptation, study_folder: StudyFolder, config: AdaptSettings) -> None:
    """Write the study's result and page, log its numbers, and remove what killed trainings left."""
    write_run(adaptation, study_folder.folder)
    log_result(study_folder.log(study_folder.folder.name), config.model_dump(), numbers_of_study(adaptation))
    remove_abandoned(study_folder.folder / "models")
