"""Adapt as fine-tuning does, with pictures enlarged and shrunk at random."""

from __future__ import annotations

from howfar.adaptation.training_again import own_settings, trained_on
from howfar.adaptation.way import AdaptationWay, Given
from howfar.errors import InputError
from howfar.segmenters.checkpoint import Checkpoint

RESCALE = 0.4


def scale(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Go on from M as `finetune` does, with every picture shown 0.6 to 1.4 times as large; without picks on P alone.

    Raises
    ------
    InputError
        M was trained without augmentation, of which this is one.
    """
    if not own_settings(checkpoint).augment:
        rule = "shows pictures larger and smaller, and the model was trained without augmentation"
        raise InputError.of("way", rule, "scale", "pass finetune")
    balance = {} if given.picks else {"balance": None}
    return trained_on(checkpoint, given, given.picks, rescale=RESCALE, **balance)


SCALE = AdaptationWay("scale", "Go on from M, with pictures shown 0.6 to 1.4 times as large.", "either", scale)
