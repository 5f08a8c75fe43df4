"""Define and apply the ways to adapt a trained segmenter to a site: retrain, fine-tune, norm layers, self-train, rescale."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar import registry
from howfar.data import Dataset, DatasetArgument, content_hash, read_bytes
from howfar.data.compact_item_table import Item
from howfar.data.dataset_argument import parse_images
from howfar.errors import InputError
from howfar.experiment_tracking import Log, check_tracker
from howfar.pipeline.prediction import load_model
from howfar.random_streams import stream
from howfar.segmenters.checkpoint import Checkpoint
from howfar.segmenters.norm_adaptation import ADAPTED, SHARE, adapt_statistics, readable
from howfar.training.image_mask_pairs import (
    Added,
    TrainingExample,
    added_examples,
    check_new,
    dataset_and_list,
    examples_of,
    split,
)
from howfar.training.train import TrainingTask, check_out, fit, state_folder
from howfar.training.training_settings import TrainSettings, settings_of

THEN = "+"
OWN_SETTINGS = "own_settings"
"""Where the entry `ADAPTED` of a card's data keeps the settings that M was trained by, once a way has trained on."""
Need: TypeAlias = Literal["labels", "images", "either"]
UNADAPTED = "M"
"""How tables call the model as it is, adapted by no way."""


@dataclass(frozen=True)
class Given:
    """Hold the data an adaptation method may learn from, with folder, device and logging.

    Attributes
    ----------
    examples, picks
        Images and masks: those of the primary dataset that M was trained and tuned on, and the labelled ones of the site.
    site
        Images of the site, whose masks no way reads; None where there are none.
    folder, log
        Where states of killed trainings are kept, and where trainings are logged (None: nowhere).
    tiled
        Whether the site is to be predicted by tiles, so that unlabelled images are read as such.
    device, workers, progress
        Where the network runs, how many processes prepare batches, and whether bars are shown.
    """

    examples: tuple[TrainingExample, ...]
    site: Dataset | None
    picks: tuple[TrainingExample, ...]
    folder: Path
    tiled: bool = False
    device: str = "auto"
    workers: int = 0
    progress: bool = True
    log: Log | None = None

    @property
    def name(self) -> str:
        """Return the site's name, or the names of the picks' datasets."""
        return self.site.name if self.site is not None else ", ".join(dict.fromkeys(pick.dataset for pick in self.picks))


@dataclass(frozen=True)
class AdaptationWay:
    """Define an adaptation method ("way"), registered by name or as an entry point of ``howfar.adaptation_ways``.

    Attributes
    ----------
    name, summary
        Its registered name, without ``+``; one line with what it does and its source.
    needs
        Whether it needs ``labels``, unlabelled ``images``, or takes ``either``.
    adapt
        (checkpoint, given) -> the adapted checkpoint; the given one is left as it is.
    learns_from_site
        Whether it trains on unlabelled images too, so that scoring it on these would be no fair test.
    anew
        Whether it begins with first weights, so that no other way may come before it.
    """

    name: str
    summary: str
    needs: Need
    adapt: Callable[[Checkpoint, Given], Checkpoint]
    learns_from_site: bool = False
    anew: bool = False

    @property
    def trains(self) -> bool:
        """Return whether the way trains, and thus re-tunes the threshold on P's held-out images."""
        return self.needs != "images" or self.learns_from_site

    def check(self, given: Given) -> None:
        """Raise `InputError` if labels or images that the way needs are missing."""
        if self.needs == "labels" and not given.picks:
            rule = "must be one that needs no label where none is given"
            raise InputError.of("way", rule, self.name, "label some, or pass norm")
        if given.site is None and (self.needs == "images" or not given.picks):
            labels = ", with labels or without" if self.needs == "either" else ""
            raise InputError.of("way", f"needs images of the site{labels}", self.name, "pass the site too")


Steps: TypeAlias = tuple[AdaptationWay, ...]
"""Ways done one after another."""


def steps_of(way: str) -> Steps:
    """Return the sequence of ways in a name such as ``finetune+norm``."""
    names = [part.strip() for part in way.split(THEN)]
    for name in names:
        if names.count(name) > 1:
            raise InputError.of("way", "must name each way once", way, "leave one out")
    steps = tuple(registry.load("adaptation_ways", name) for name in names)
    for step in steps[1:]:
        if step.anew:
            rule = f"must begin with {step.name}, which trains anew and keeps nothing of what came before"
            raise InputError.of("way", rule, way, f"pass {step.name} first, or alone")
    return steps


def adapted(checkpoint: Checkpoint, way: str, given: Given) -> Checkpoint:
    """Adapt a checkpoint by one or several ways in sequence, and record ways and site in the card's data."""
    steps = steps_of(way)
    for step in steps:
        step.check(given)
    for step in steps:
        # The card records the sequence of ways, the site, and the number of labels of the last way that trained.
        found = step.adapt(checkpoint, given)
        was: Mapping[str, Any] = {} if step.anew else checkpoint.card.data.get(ADAPTED) or {}
        labels = sum(pick.mask is not None for pick in given.picks) if step.trains else was.get("labels", 0)
        entry = {**was, **(found.card.data.get(ADAPTED) or {}), "dataset": given.name, "labels": labels}
        entry["way"] = THEN.join([*([was["way"]] if was else []), step.name])
        if found.card.settings != checkpoint.card.settings and not step.anew:
            entry.setdefault(OWN_SETTINGS, dict(checkpoint.card.settings))
        checkpoint = Checkpoint(replace(found.card, data={**found.card.data, ADAPTED: entry}), found.state)
    return checkpoint


TUNED: Mapping[str, Any] = {"steps": 240, "epochs": 6, "balance": 0.5, "keep": "last", "patience": None}
"""Settings of every way that goes on from M: so many steps, half of each batch images of P, and the last weights kept.

Which weights are best *on the site* cannot be seen on P's held-out photographs, so none are chosen by them; these only tune the
threshold. The seed stays that of M, whose held-out photographs no way learns from either.
"""


def trained_on(
    checkpoint: Checkpoint,
    given: Given,
    extra: tuple[TrainingExample, ...] | None = None,
    *,
    anew: bool = False,
    **changes: Any,
) -> Checkpoint:
    """Fine-tune a checkpoint on P and `extra` images (None: the picks) with the `TUNED` settings, updated by `changes`.

    Without extra images on P alone. With `anew` train the architecture from scratch instead, with M's own settings.
    """
    card, learnt_too, settings = checkpoint.card, given.picks if extra is None else extra, own_settings(checkpoint)
    if not anew:
        balance = {} if learnt_too else {"balance": None}
        settings = settings.model_copy(update={**TUNED, **balance, **changes})
    if not anew and settings.balance is not None and settings.batch < 2:
        rule = "must have been trained with batches of two images or more, since half of each are picks"
        raise InputError.of("model", rule, settings.batch, "pass the way retrain")
    # P must have M's training and held-out images; otherwise M could be tested on its training images.
    learnt, held = (
        {content_hash(read_bytes(example.path)) for example in part}
        for part in split(given.examples, settings.holdout, settings.seed)
    )
    own_held = set(card.data["held_out"])
    own_learnt = set(card.data["contents"][: card.data["images"] - len(card.data.get("extra", ()))])
    if (learnt, held) != (own_learnt, own_held):
        lacking, new = len((own_learnt | own_held) - learnt - held), len((learnt | held) - own_learnt - own_held)
        moved = len(learnt & own_held) + len(held & own_learnt)
        rule = "must be the dataset that the model was trained on, with the same images in it"
        value = f"one that lacks {lacking} of them, has {new} others, and would hold out other photographs ({moved} images)"
        raise InputError.of("primary", rule, value, "pass that dataset")
    task = TrainingTask(
        segmenter=card.segmenter,
        options=card.options,
        primary=str(card.data["primary"]),
        examples=given.examples,
        settings=settings,
        extra=learnt_too,
        pretrained=card.data.get("pretrained", True),
        start=None if anew else checkpoint,
        group=card.data.get("group"),
    )
    found = fit(task, given.folder, device=given.device, workers=given.workers, progress=given.progress, log=given.log)
    if not anew and ADAPTED in card.data:
        data = {**found.card.data, ADAPTED: card.data[ADAPTED]}
        return Checkpoint(replace(found.card, data=data), found.state)
    return found


def own_settings(checkpoint: Checkpoint) -> TrainSettings:
    """Return M's settings of its original training, before adaptation; `InputError` unless trained by howfar train."""
    card = checkpoint.card
    before = (card.data.get(ADAPTED) or {}).get(OWN_SETTINGS)
    settings = settings_of(card if before is None else replace(card, settings=before))
    if settings is None:
        raise InputError.of("model", "must be a checkpoint of howfar train, with its settings", dict(card.settings))
    return settings


RESCALE = 0.4


def scale(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Fine-tune M with images scaled by 0.6 to 1.4; without picks, on P alone."""
    if not own_settings(checkpoint).augment:
        rule = "shows pictures larger and smaller, and the model was trained without augmentation"
        raise InputError.of("way", rule, "scale", "pass finetune")
    return trained_on(checkpoint, given, rescale=RESCALE)


# Each picture seen equally often, as in section 4.3 of the paper.
RETRAIN = AdaptationWay(
    "retrain", "Train anew on P and the picks together, as the paper does.", "labels", partial(trained_on, anew=True), anew=True
)
# Half of each batch are picks, so that few of them count and P is not forgotten.
FINETUNE = AdaptationWay("finetune", "Go on from M for 240 steps, half picks and half images of P.", "labels", trained_on)
SCALE = AdaptationWay("scale", "Go on from M, with pictures shown 0.6 to 1.4 times as large.", "either", scale)
# The layers of Tent (ICLR 2021, arXiv 2006.10726).
NORM_TUNE = AdaptationWay(
    "norm-tune", "Go on from M, normalisation layers alone, half picks and half P.", "labels", partial(trained_on, tune="norm")
)


def norm(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Mix statistics of up to 60 site images into M's batch norm layers with λ = 0.3, without labels, on the CPU."""
    assert given.site is not None  # `AdaptationWay.check` asks for it
    return adapt_statistics(checkpoint, given.site, share=SHARE, tiled=given.tiled)


NORM = AdaptationWay("norm", "Mix statistics of the site's images into batch norm layers (λ 0.3); no label.", "images", norm)


MOST, KEPT = 60, 0.5
"""Self-training looks at so many images of the site at most, and learns from this share of them."""


def selftrain(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Fine-tune M on picks and on pseudo-masks of the half of the site's images whose two views agree most.

    Two views, one mirrored, agree by their F at M's threshold; their mean is the pseudo-mask. Source: Lee, "Pseudo-label" (ICML
    workshop 2013), with agreement for confidence, since networks are sure of what they get wrong on new images.
    """
    assert given.site is not None  # `AdaptationWay.check` asks for it
    threshold = 0.5 if checkpoint.card.threshold is None else checkpoint.card.threshold
    predictor = load_model(checkpoint, device=given.device, tiled=given.tiled).predictor
    seed = int(checkpoint.card.settings["seed"])
    order = stream(seed, "images of selftraining").permutation(len(given.site.items))
    views: list[tuple[float, Item, str, NDArray[np.bool_]]] = []
    for item, content, picture in itertools.islice(readable(given.site, order), MOST):
        plain, mirrored = predictor.maps([picture, np.ascontiguousarray(picture[:, ::-1])])
        values = np.stack([plain, mirrored[:, ::-1]]).astype(np.float64) / 255
        first, second = values > threshold
        total = int(first.sum()) + int(second.sum())
        agreement = 2 * int((first & second).sum()) / total if total else 0.0
        views.append((agreement, item, content, values.mean(axis=0) > threshold))
    views.sort(key=lambda view: -view[0])
    if not views:
        raise InputError.of(f"dataset {given.site.name}", "must hold an image that can be read", "none")
    kept = [view for view in views if view[0] > 0][: max(round(KEPT * len(views)), 1)]
    if not kept:
        raise InputError.of("way", "needs images in which the model finds foreground", "selftrain", "label some, or pass norm")

    labelled = {content_hash(read_bytes(pick.path)) for pick in given.picks}
    name, pseudo = given.site.name, []
    with TemporaryDirectory(prefix="howfar-pseudo-masks-") as folder:
        for _, item, content, mask in kept:
            if content not in labelled:
                file = Path(folder) / f"{content.split(':')[-1]}.png"
                Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(file)
                pseudo.append(TrainingExample(name, item.name, item.path, file, f"{name}/{item.name}"))
        return trained_on(checkpoint, given, (*given.picks, *pseudo))


SELFTRAIN = AdaptationWay(
    "selftrain",
    "Learn from M's own maps where its views of an image agree most; with picks or without.",
    "images",
    selftrain,
    learns_from_site=True,
)


def adapt_model(
    model: Checkpoint | str | Path,
    primary: DatasetArgument,
    out: str | Path | None = None,
    *,
    way: str = "finetune",
    add: str | Sequence[Added] = (),
    site: DatasetArgument | None = None,
    state: str | Path | None = None,
    tiled: bool = False,
    device: str = "auto",
    workers: int = 0,
    progress: bool = True,
    log: str | None = None,
) -> Checkpoint:
    """Adapt a trained segmenter to a site by a registered way, using unlabelled images, labelled images, or both.

    The entry ``adapted`` of the card's data names the way and the site, and counts the labels.

    Raises `HowfarError` for an unknown way, one that needs labels or images that are not given, a dataset without masks,
    another primary dataset than M's, or what the way itself refuses.

    Parameters
    ----------
    model
        M, a checkpoint of `howfar.train` or its path. Its own settings of training are kept.
    primary
        The dataset that M was trained on, with masks: every way that trains learns from it too.
    out
        Where to save the adapted checkpoint; None: nowhere.
    way
        A registered way, or several with ``+`` between them, done one after another. The default needs labels; ``scale``
        gained a little more by seven of them (docs/few-labels.md).
    add
        Labelled images of the site, as `howfar.train` takes them: ``SITE:LIST``, or pairs of a dataset and a list or a
        `Selection`.
    site
        Unlabelled images of the site, whose masks are not read; by default the dataset of `add`, where that is one.
    state
        Folder of the state that a killed training resumes from; by default ``OUT.state``. Ways that train need one or `out`.
    tiled
        Whether the site will be predicted by tiles, so that unlabelled images are read as such.
    device, workers, progress, log
        As `howfar.train` takes them.
    """
    check_tracker(log)
    steps = steps_of(way)
    reads = any(step.needs == "images" for step in steps)
    checkpoint = model if isinstance(model, Checkpoint) else Checkpoint.load(model)
    own = parse_images(primary, "primary", "primary")
    examples = examples_of(own, checkpoint.card.data.get("group"))
    picks = added_examples(add)
    check_new(picks, examples)
    names = sorted({pick.dataset for pick in picks})
    if site is None and reads and len(names) > 1:
        rule = "must be given where images of several datasets are added"
        raise InputError.of("site", rule, ", ".join(names), "pass the one to adapt to")
    unlabelled = None if site is None else parse_images(site, "site", "site")
    if site is None and picks and reads:
        unlabelled = parse_images(dataset_and_list(add if isinstance(add, str) else add[0])[0], "add", "add")
    if out is not None:
        check_out(out, None if isinstance(model, Checkpoint) else model)
    hidden = None if unlabelled is None else unlabelled.without_masks()
    logged = Log.of(log, way if out is None else Path(out).stem)
    with state_folder(state, out, any(step.trains for step in steps)) as folder:
        found = adapted(checkpoint, way, Given(examples, hidden, picks, folder, tiled, device, workers, progress, logged))
        if out is not None:
            found.save(out)
    return found


__all__ = ["UNADAPTED", "AdaptationWay", "Given", "adapt_model", "adapted", "steps_of"]
