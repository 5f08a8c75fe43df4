"""Run the study of suppression (appendix C): the effect of background images on false positives, and its cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.errors import InputError
from howfar.paper.baseline_models import AdaptationName, study_settings
from howfar.results import Provenance
from howfar.results.adaptation_result import BASELINE, Adaptation, Adaptations
from howfar.results.segmenter_studies import Suppression
from howfar.streams import stream
from howfar.studies.adaptation.gains import interval
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import KindSettings, StudyKind, Work, setting


class SuppressionSettings(KindSettings):
    """Hold the settings of the study of suppression."""

    of: AdaptationName = Field(description="The study of adaptation whose models learnt from background images.")
    bootstrap: int = setting(options.Bootstrap, default=2000, ge=2, description="Draw this many resamples for the intervals.")


def _check(settings: SuppressionSettings, inputs: Inputs) -> None:
    if not study_settings(inputs, settings.of).background_shots:
        remedy = f"give background and background_shots in studies.{settings.of}"
        raise InputError.of("of", "must name a study whose models learn from background images", settings.of, remedy)


def _run(settings: SuppressionSettings, inputs: Inputs) -> Suppression:
    """Collect false positives of every segmenter's models on unseen background images."""
    studied = inputs.results[settings.of]
    if not isinstance(studied, Adaptations) or studied.first.background is None:
        raise TypeError(f"{settings.of} is no study of adaptation with background")
    background, images = studied.first.background, studied.first.images
    if not all(len(study.suppression) for study in studied.adaptations):
        remedy = f"lower background_shots in studies.{settings.of}"
        raise InputError.of("background", "must keep a photograph that no model learnt from", background, remedy)
    shares = [row for name, study in studied.by_segmenter().items() for row in shares_of(study, name, settings.bootstrap)]
    return Suppression(
        of=settings.of,
        primary=studied.first.primary,
        secondaries=studied.first.secondaries,
        background=background,
        segmenters=studied.models,
        architectures=tuple(study.segmenter for study in studied.adaptations),
        seeds=tuple(int(seed) for seed in studied.first.settings["seeds"]),
        left=int(images.loc[images["dataset"] == background, "image"].nunique()),
        shares=pd.DataFrame(shares),
        changes=studied.rows("suppression"),
        provenance=Provenance.now(),
    )


def shares_of(study: Adaptation, segmenter: str, bootstrap: int) -> list[dict[str, Any]]:
    """Measure the false positive share of M and of `Adaptation.suppression`'s models, with intervals."""
    blank = study.images[(study.images["dataset"] == study.background) & study.images["false_positive_share"].notna()]
    rows = []
    for model in (BASELINE, *map(str, study.suppression["model"])):
        own = blank[(blank["model"] == model) & blank["seed"].isin(study.settings["seeds"])]
        by_seed = own.groupby("seed")["false_positive_share"].mean()
        measured = own.rename(columns={"false_positive_share": "difference"})[["seed", "dataset", "photograph", "difference"]]
        _, low, high = interval(measured, bootstrap, stream(None, "suppression", model))
        # A share is none below 0 nor above 1, which an interval of few images by the normal distribution does not know.
        ends = {"low": np.clip(low, 0, 1), "high": np.clip(high, 0, 1), "lowest": by_seed.min(), "highest": by_seed.max()}
        rows.append({"segmenter": segmenter, "model": model, "share": float(by_seed.mean()), **ends})
    return rows


SUPPRESSION = StudyKind(
    name="suppression",
    title="Do background images suppress false positives?",
    summary="False positives with and without background images, and what these cost elsewhere (appendix C, figs 13 to 17).",
    settings=SuppressionSettings,
    run=_run,
    result=Suppression,
    work=lambda settings, inputs: Work(),
    check=_check,
)
