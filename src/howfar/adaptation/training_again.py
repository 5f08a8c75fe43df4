"""Train a checkpoint's architecture again: anew, or on from its weights, by settings that are its own but for a few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from howfar.adaptation.way import OWN_SETTINGS, Given
from howfar.data import content_hash, read_bytes
from howfar.errors import InputError
from howfar.pipeline.norm_adaptation import ADAPTED
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.fit import Task, fit
from howfar.training.image_mask_pairs import Example, split
from howfar.training.settings import TrainSettings, settings_of

STEPS, EPOCHS = 240, 6
BALANCE = 0.5
TUNED: Mapping[str, Any] = {"steps": STEPS, "epochs": EPOCHS, "balance": BALANCE, "keep": "last", "patience": None}
"""Settings of every way that goes on from M: so many steps, half of each batch images of P, and the last weights kept.

Which weights are best *on the site* cannot be seen on P's held-out photographs, so none are chosen by them; these only tune the
threshold. The seed stays that of M, whose held-out photographs no way learns from either.
"""


def trained_on(checkpoint: Checkpoint, given: Given, extra: tuple[Example, ...], **changes: Any) -> Checkpoint:
    """Go on from a checkpoint's weights on P and `extra` images by `TUNED` settings, changed by `changes`.

    `InputError` where M learnt from single images, which cannot be half picks.
    """
    settings = own_settings(checkpoint).model_copy(update={**TUNED, **changes})
    if settings.balance is not None and settings.batch < 2:
        rule = "must have been trained with batches of two images or more, since half of each are picks"
        raise InputError.of("model", rule, settings.batch, "pass the way retrain")
    return _fitted(checkpoint, given, extra, settings, checkpoint)


def trained_anew(checkpoint: Checkpoint, given: Given, extra: tuple[Example, ...]) -> Checkpoint:
    """Train on P and `extra` images by the settings that the checkpoint itself was trained by, from first weights."""
    return _fitted(checkpoint, given, extra, own_settings(checkpoint), None)


def own_settings(checkpoint: Checkpoint) -> TrainSettings:
    """Read the settings that M was trained by, before any way trained on; `InputError` where howfar train did not train it."""
    card = checkpoint.card
    before = (card.data.get(ADAPTED) or {}).get(OWN_SETTINGS)
    settings = settings_of(card if before is None else replace(card, settings=before))
    if settings is None:
        raise InputError.of("model", "must be a checkpoint of howfar train, with its settings", dict(card.settings))
    return settings


def _check_same_split(checkpoint: Checkpoint, given: Given, settings: TrainSettings) -> None:
    """Refuse another P than M's, of which another part is held out: by it M would be judged on what it learnt from."""
    learnt, held = (
        {content_hash(read_bytes(example.path)) for example in part}
        for part in split(given.examples, settings.holdout, settings.seed)
    )
    data = checkpoint.card.data
    own = set(data["contents"][: data["images"] - len(data.get("extra", ()))])
    if (learnt, held) != (own, set(data["held_out"])):
        lacking, new = len((own | set(data["held_out"])) - learnt - held), len((learnt | held) - own - set(data["held_out"]))
        moved = len(learnt & set(data["held_out"])) + len(held & own)
        rule = "must be the dataset that the model was trained on, with the same images in it"
        value = f"one that lacks {lacking} of them, has {new} others, and would hold out other photographs ({moved} images)"
        raise InputError.of("primary", rule, value, "pass that dataset")


def _fitted(
    checkpoint: Checkpoint, given: Given, extra: tuple[Example, ...], settings: TrainSettings, start: Checkpoint | None
) -> Checkpoint:
    card = checkpoint.card
    _check_same_split(checkpoint, given, settings)
    task = Task(
        segmenter=card.segmenter,
        options=card.options,
        primary=str(card.data["primary"]),
        examples=given.examples,
        settings=settings,
        extra=extra,
        pretrained=card.data.get("pretrained", True),
        start=start,
        group=card.data.get("group"),
    )
    found = fit(task, given.folder, device=given.device, workers=given.workers, progress=given.progress, log=given.log)
    if start is not None and ADAPTED in card.data:
        data = {**found.card.data, ADAPTED: card.data[ADAPTED]}
        return Checkpoint(replace(found.card, data=data), found.state)
    return found
