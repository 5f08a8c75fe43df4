"""Adapt by training anew on the primary dataset and the picks together, as the paper does."""

from __future__ import annotations

from howfar.adaptation.training_again import trained_anew
from howfar.adaptation.way import AdaptationWay, Given
from howfar.segmenters.checkpoint import Checkpoint


def retrain(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Train M's architecture anew by M's own settings on P and the picks, which come as often as P's images (section 4.3)."""
    return trained_anew(checkpoint, given, given.picks)


RETRAIN = AdaptationWay("retrain", "Train anew on P and the picks together, as the paper does.", "labels", retrain, anew=True)
