"""Adapt by the model's own maps: the images on which its views agree most are learnt from as if they were labelled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.adaptation.training_again import trained_on
from howfar.adaptation.way import AdaptationWay, Given
from howfar.data import Dataset, content_hash, decode, read_bytes
from howfar.data.item import Item
from howfar.errors import ImageError, InputError
from howfar.pipeline.prediction import load_model
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.image_mask_pairs import Example

MOST = 60
KEPT = 0.5
USUAL = 0.5


def selftrain(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Go on from M on the half of the site's images on which its views agree most, masked by its own maps, and on the picks.

    At most 60 images are drawn by M's seed. Two views agree by F of the one's foreground against the other's at M's threshold;
    an image without any in one of them is not kept. The mean of both views, at the threshold, is the pseudo-mask.
    Source: Lee, "Pseudo-label" (ICML workshop 2013), with agreement in the place of confidence, since networks are sure of what
    they get wrong on new images.

    Raises
    ------
    InputError
        No image that can be read, or none in which both views find foreground.
    """
    assert given.site is not None  # `AdaptationWay.check` asks for it
    views = sorted(_views(checkpoint, given.site, given), key=lambda view: -view.agreement)
    if not views:
        raise InputError.of(f"dataset {given.site.name}", "must hold an image that can be read", "none")
    kept = [view for view in views if view.agreement > 0][: max(round(KEPT * len(views)), 1)]
    if not kept:
        raise InputError.of("way", "needs images in which the model finds foreground", "selftrain", "label some, or pass norm")
    labelled = {content_hash(read_bytes(pick.path)) for pick in given.picks}
    with TemporaryDirectory(prefix="howfar-pseudo-masks-") as folder:
        pseudo = tuple(_example(view, given.site, Path(folder)) for view in kept if view.content not in labelled)
        return trained_on(checkpoint, given, (*given.picks, *pseudo))


@dataclass(frozen=True)
class _View:
    """Hold an image's pseudo-mask, and how far two views of it agree, 0-1."""

    item: Item
    content: str
    mask: NDArray[np.bool_]
    agreement: float


def _views(checkpoint: Checkpoint, site: Dataset, given: Given) -> list[_View]:
    threshold = USUAL if checkpoint.card.threshold is None else checkpoint.card.threshold
    predictor = load_model(checkpoint, device=given.device, tiled=given.tiled).predictor
    order = np.random.default_rng(int(checkpoint.card.settings["seed"])).permutation(len(site.items))
    views: list[_View] = []
    for place in order:
        if len(views) == MOST:
            break
        item = site.items[place]
        try:
            data = read_bytes(item.path)
            picture = np.asarray(decode(data).image)
        except ImageError:
            continue
        plain, mirrored = predictor.maps([picture, np.ascontiguousarray(picture[:, ::-1])])
        values = np.stack([plain, mirrored[:, ::-1]]).astype(np.float64) / 255
        first, second = values > threshold
        total = int(first.sum()) + int(second.sum())
        agreement = 2 * int((first & second).sum()) / total if total else 0.0
        views.append(_View(item, content_hash(data), values.mean(axis=0) > threshold, agreement))
    return views


def _example(view: _View, site: Dataset, folder: Path) -> Example:
    """Write a pseudo-mask into a folder, and make an example of it."""
    file = folder / f"{view.content.split(':')[-1]}.png"
    Image.fromarray(np.where(view.mask, np.uint8(255), np.uint8(0))).save(file)
    return Example(site.name, view.item.name, view.item.path, file, f"{site.name}/{view.item.name}")


SELFTRAIN = AdaptationWay(
    "selftrain",
    "Learn from M's own maps where its views of an image agree most; with picks or without.",
    "images",
    selftrain,
    learns_from_site=True,
)
