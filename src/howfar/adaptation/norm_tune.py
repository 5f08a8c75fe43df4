"""Adapt by training the scales and offsets of normalisation layers alone on the picks."""

from __future__ import annotations

from howfar.adaptation.training_again import trained_on
from howfar.adaptation.way import AdaptationWay, Given
from howfar.segmenters.checkpoint import Checkpoint


def norm_tune(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Go on from M as `finetune` does, with all weights frozen but those of normalisation layers.

    The parameters are those of Tent (Wang et al., ICLR 2021, arXiv 2006.10726), which adapts them without labels; layer norms
    count where there is no batch norm.
    """
    return trained_on(checkpoint, given, given.picks, tune="norm")


NORM_TUNE = AdaptationWay("norm-tune", "Go on from M, normalisation layers alone, half picks and half P.", "labels", norm_tune)
