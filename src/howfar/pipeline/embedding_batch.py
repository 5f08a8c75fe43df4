"""Embed a batch of images as one task: read and hash them, then decode, embed and store those that a store lacks."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.data import content_hash, decode, read_bytes
from howfar.data.decoding_memory import pictures_in_use
from howfar.errors import ImageError
from howfar.protocols import Backbone, Item
from howfar.store import FeatureStore

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Batch:
    """Hold some images of one dataset, which is named by its position."""

    dataset: int
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Outcome:
    """Record the result of embedding one image.

    Attributes
    ----------
    item
        The image.
    content
        Hash of the image's content, where it could be read.
    reason
        Why the image has no features.
    reused
        Whether the features were in the store before.
    elsewhere
        Whether another worker is computing the features, so that they are not in the store yet.
    """

    item: Item
    content: str = ""
    reason: str = ""
    reused: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class EmbedBatch:
    """Embed a batch by each backbone whose store lacks it; an image is decoded once for all, and no work is done twice.

    The task may be pickled, killed and run again, here and elsewhere: what is stored is whole, and is not computed anew.
    """

    backbones: tuple[Backbone, ...]
    stores: tuple[FeatureStore, ...]
    device: str | None = None
    """Device that backbones move to when the task is unpickled: the GPU of another machine's worker."""
    at_a_time: int | None = None
    """Images that are held and embedded at a time; None for all of a batch."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Look at the stores anew, which a worker may know from an earlier run, and move the backbones that can be moved."""
        self.__dict__.update(state)
        for store in self.stores:
            store.refresh()
        if self.device is not None:
            moved = tuple(backbone.on(self.device) if hasattr(backbone, "on") else backbone for backbone in self.backbones)
            self.__dict__["backbones"] = moved

    def __call__(self, batch: Batch) -> list[Outcome]:
        """Embed the batch, and return the outcome of each image, in order."""
        step = self.at_a_time or max(1, len(batch.items))
        starts = range(0, len(batch.items), step)
        return [outcome for start in starts for outcome in self._outcomes(batch.items[start : start + step])]

    def _outcomes(self, items: Sequence[Item]) -> list[Outcome]:
        outcomes, files = self._read(items)
        faults = self._embed(files) if files else {}
        left = {outcome.content for outcome in outcomes if not outcome.reason and self._lacks(outcome.content)}
        # Two of the stores may be one folder: what one of them was given the other sees only when it is looked at anew.
        left = self.lacking(left) if left else left
        return [_settled(outcome, faults, left) for outcome in outcomes]

    def lacking(self, contents: Iterable[str]) -> set[str]:
        """Find the contents that a store lacks at this moment."""
        for store in self.stores:
            store.refresh()
        return {content for content in contents if self._lacks(content)}

    def verify(self, contents: Iterable[str]) -> set[str]:
        """Find the contents whose features in a store are damaged, so that the store lacks them from now on."""
        asked = sorted(contents)
        return {content for store in self.stores for content in store.verify(asked)}

    def free(self, contents: Iterable[str]) -> set[str]:
        """Find the contents that a store lacks and that no worker is computing at this moment."""
        asked = list(contents)
        return {content for store in self.stores for content in store.free(asked)}

    def _lacks(self, content: str) -> bool:
        return any(not store.contains(content) for store in self.stores)

    def _read(self, items: Iterable[Item]) -> tuple[list[Outcome], dict[str, tuple[Item, bytes]]]:
        """Read and hash each image, and return by content the files of those that a store lacks."""
        outcomes = []
        files: dict[str, tuple[Item, bytes]] = {}
        for item in items:
            try:
                data = read_bytes(item.path)
            except ImageError as error:
                outcomes.append(Outcome(item, reason=str(error)))
                continue
            content = content_hash(data)
            stored = content in files or not self._lacks(content)
            outcomes.append(Outcome(item, content=content, reused=stored))
            if not stored:
                files[content] = (item, data)
        return outcomes, files

    def _embed(self, files: Mapping[str, tuple[Item, bytes]]) -> dict[str, str]:
        """Compute and store the features that no other worker is computing; return why images cannot be decoded, by content."""
        faults: dict[str, str] = {}
        with ExitStack() as claims:
            mine = [
                set(claims.enter_context(store.claim([content for content in files if not store.contains(content)])))
                for store in self.stores
            ]
            inputs: list[dict[str, NDArray[Any]]] = [{} for _ in self.stores]
            for content, (_, data) in files.items():
                wanted = [index for index, own in enumerate(mine) if content in own]
                try:
                    with pictures_in_use():
                        image = decode(data).image if wanted else None
                        arrays = [self.backbones[index].prepare(image) for index in wanted if image is not None]
                        del image
                except ImageError as error:
                    faults[content] = str(error)
                    continue
                for index, array in zip(wanted, arrays, strict=True):
                    inputs[index][content] = array
            for backbone, store, arrays_by_content in zip(self.backbones, self.stores, inputs, strict=True):
                if arrays_by_content:
                    rows = backbone.embed(np.stack(list(arrays_by_content.values())))
                    store.add(list(arrays_by_content), [str(files[content][0].path) for content in arrays_by_content], rows)
                    store.tidy()
        return faults


def _settled(outcome: Outcome, faults: Mapping[str, str], left: Container[str]) -> Outcome:
    if outcome.reason:
        return outcome
    if outcome.content in faults:
        return Outcome(outcome.item, reason=faults[outcome.content])
    return replace(outcome, elsewhere=outcome.content in left)
