"""Exclude from an evaluation the images that a model learnt from, and other tiles of the same photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from howfar.data import Dataset
from howfar.data.image_folder import path_text
from howfar.data.photographs import HashedDataset, fits
from howfar.errors import InputError, option
from howfar.results import Skipped
from howfar.segmenters.checkpoint import CheckpointCard

ALL_THE_SAME = f"pass {option('learnt', True)} to score them all the same: it is the training error"
LEARNT = "the model learnt from it"
LEARNT_FROM = "that the model learnt from"


@dataclass(frozen=True)
class Seen:
    """Hold the images of a dataset that a model learnt from, and the other tiles of their photographs."""

    contents: frozenset[str] = frozenset()
    tiles: tuple[tuple[str, str], ...] = ()
    scored: bool = False
    complete: bool = True

    @classmethod
    def of(cls, dataset: Dataset, card: CheckpointCard | None, scored: bool = False, group: str | None = None) -> Seen:
        """Compare the images' contents with a checkpoint's card; without a card (None) no image counts as seen.

        `group` names photographs, by default with the training's expression.
        """
        if card is None:
            idle = "learnt" if scored else "group" if group is not None else None
            if idle is not None:
                raise InputError.of(idle, "is of use only to a checkpoint of howfar train", group or scored, "leave it out")
            return cls()
        names = [item.name for item in dataset.items]
        if group is not None and not fits(names, group):
            raise InputError.of("group", f"must match the names of images, such as {names[0]!r}", group, "leave out the ending")
        hashed = HashedDataset.of(dataset, card.data.get("group") if group is None else group)
        learnt = card.learnt
        contents = frozenset(name for name, content in hashed.contents.items() if content in learnt)
        unseen = {item.name for item in hashed.apart_from(contents).dataset.items}
        tiles = tuple(
            (name, hashed.photographs[name]) for name in hashed.contents if name not in unseen and name not in contents
        )
        return cls(contents, tiles, scored, card.all_learnt_known)

    def unseen(self, dataset: Dataset) -> Dataset:
        """Skip the images that the model has seen, with the reason, unless they are to be scored."""
        if self.scored:
            return dataset
        reasons = {name: f"another tile of {photograph}, which the model learnt from" for name, photograph in self.tiles}
        reasons |= dict.fromkeys(self.contents, LEARNT)
        items = tuple(item for item in dataset.items if item.name not in reasons)
        if dataset.items and not items:
            what = "the model learnt from every image of it" + (" or from its photograph" if self.tiles else "")
            remedy = f"evaluate images that the model has not seen, or {ALL_THE_SAME}"
            raise InputError(f"{dataset.name}: {what} ({len(reasons)}), so that none is left to score: {remedy}")
        left_out = [
            Skipped(dataset.name, path_text(item.path), reasons[item.name]) for item in dataset.items if item.name in reasons
        ]
        return replace(dataset, items=items, skipped=(*dataset.skipped, *left_out))

    def notes(self, names: Sequence[str]) -> Iterator[str]:
        """Yield notes on the images that the model has seen; `names` are the evaluated images."""
        if not self.complete:
            yield "the model began with the weights of an earlier version, whose images are unknown: some may be among these"
        if not self.scored:
            yield from self._left_out()
            return
        tiles = {name for name, _ in self.tiles}
        learnt, beside = sum(name in self.contents for name in names), sum(name in tiles for name in names)
        if learnt or beside:
            more = f", and {beside} more {_are(beside)} of photographs that it learnt from" if beside else ""
            these = f"{learnt} of these {len(names)} images{more}"
            yield f"the model learnt from {these}: scores on them are training error, and say nothing of unseen images"

    def _left_out(self) -> Iterator[str]:
        if self.contents:
            count = len(self.contents)
            images = f"1 image {LEARNT_FROM} was" if count == 1 else f"{count} images {LEARNT_FROM} were"
            more = f", and {len(self.tiles)} more {_are(len(self.tiles))} of their photographs" if self.tiles else ""
            yield f"{images} left out{more}: the option learnt (--learnt) scores them too"


def _are(count: int) -> str:
    return "that is a tile" if count == 1 else "that are tiles"
