"""The task of embedding: a batch of images is read, hashed, and what a store lacks is claimed, decoded, embedded and stored."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.data import content_hash, decode, read_bytes
from howfar.errors import ImageError
from howfar.protocols import Backbone, Item
from howfar.store import FeatureStore

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Batch:
    """Some images of one dataset, which is named by its place."""

    dataset: int
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Attributes
    ----------
    item
        The image.
    content
        Its hash, where it could be read.
    reason
        Why it has no features.
    reused
        Whether they were there before.
    elsewhere
        Whether another worker has it in hand, so that they are not there yet.
    """

    item: Item
    content: str = ""
    reason: str = ""
    reused: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class EmbedBatch:
    """Embed a batch by each backbone whose store lacks it; an image is decoded once for all, and no work is done twice.

    It may be pickled, killed and run again, here and elsewhere: what is stored is whole, and is not computed anew.
    """

    backbones: tuple[Backbone, ...]
    stores: tuple[FeatureStore, ...]
    device: str | None = None
    """Where backbones go when this is unpickled: to the GPU of another machine's worker."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Look at the stores anew, which a worker may know from an earlier run, and move the backbones that can be moved."""
        self.__dict__.update(state)
        for store in self.stores:
            store.refresh()
        if self.device is not None:
            there = tuple(one.on(self.device) if hasattr(one, "on") else one for one in self.backbones)
            self.__dict__["backbones"] = there

    def __call__(self, batch: Batch) -> list[Outcome]:
        """Do it, and tell what became of each image, in their order."""
        outcomes, files = self._read(batch.items)
        faults = self._embed(files) if files else {}
        left = {outcome.content for outcome in outcomes if not outcome.reason and self._lacks(outcome.content)}
        # Two of the stores may be one folder, what the one was given being news to the other.
        left = self.lacking(left) if left else left
        return [_told(outcome, faults, left) for outcome in outcomes]

    def lacking(self, contents: Iterable[str]) -> set[str]:
        """Those of some contents that a store lacks, as of now."""
        for store in self.stores:
            store.refresh()
        return {content for content in contents if self._lacks(content)}

    def free(self, contents: Iterable[str]) -> set[str]:
        """Those of some contents that a store lacks and that nobody has in hand there, as of now."""
        asked = list(contents)
        return {content for store in self.stores for content in store.free(asked)}

    def _lacks(self, content: str) -> bool:
        return any(not store.contains(content) for store in self.stores)

    def _read(self, items: Iterable[Item]) -> tuple[list[Outcome], dict[str, tuple[Item, bytes]]]:
        """What each image is, and the files of those that a store lacks, by content."""
        outcomes = []
        files: dict[str, tuple[Item, bytes]] = {}
        for item in items:
            try:
                data = read_bytes(item.path)
            except ImageError as error:
                outcomes.append(Outcome(item, reason=str(error)))
                continue
            content = content_hash(data)
            known = content in files or not self._lacks(content)
            outcomes.append(Outcome(item, content=content, reused=known))
            if not known:
                files[content] = (item, data)
        return outcomes, files

    def _embed(self, files: Mapping[str, tuple[Item, bytes]]) -> dict[str, str]:
        """Compute and store what is ours to compute; the reasons of what cannot be decoded."""
        faults: dict[str, str] = {}
        with ExitStack() as claims:
            mine = [
                set(claims.enter_context(store.claim([content for content in files if not store.contains(content)])))
                for store in self.stores
            ]
            inputs: list[dict[str, NDArray[Any]]] = [{} for _ in self.stores]
            for content, (_, data) in files.items():
                wanted = [place for place, own in enumerate(mine) if content in own]
                try:
                    image = decode(data).image if wanted else None
                    arrays = [self.backbones[place].prepare(image) for place in wanted if image is not None]
                except ImageError as error:
                    faults[content] = str(error)
                    continue
                for place, array in zip(wanted, arrays, strict=True):
                    inputs[place][content] = array
            for backbone, store, found in zip(self.backbones, self.stores, inputs, strict=True):
                if found:
                    rows = backbone.embed(np.stack(list(found.values())))
                    store.add(list(found), [str(files[content][0].path) for content in found], rows)
                    store.tidy()
        return faults


def _told(outcome: Outcome, faults: Mapping[str, str], left: Container[str]) -> Outcome:
    if outcome.reason:
        return outcome
    if outcome.content in faults:
        return Outcome(outcome.item, reason=faults[outcome.content])
    return replace(outcome, elsewhere=outcome.content in left)
