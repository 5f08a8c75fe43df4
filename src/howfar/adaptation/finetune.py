"""Adapt by going on from the model's weights, half of every batch picks and half images of the primary dataset."""

from __future__ import annotations

from howfar.adaptation.training_again import trained_on
from howfar.adaptation.way import AdaptationWay, Given
from howfar.segmenters.checkpoint import Checkpoint


def finetune(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Go on from M for 240 steps, each of half picks and half images of P, so that few picks count and P is not forgotten."""
    return trained_on(checkpoint, given, given.picks)


FINETUNE = AdaptationWay("finetune", "Go on from M for 240 steps, half picks and half images of P.", "labels", finetune)
