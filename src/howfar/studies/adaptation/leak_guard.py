"""Stop an adaptation study before it evaluates an image that one of its models learnt from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from howfar.data import Dataset
from howfar.data.hashed_dataset import HashedDataset
from howfar.errors import LeakError


@dataclass(frozen=True)
class Part:
    """Hold the part of a dataset that is evaluated, and whether its images are known to hold no foreground."""

    hashed: HashedDataset
    dataset: Dataset
    blank: bool = False


def check_unseen(hashed: HashedDataset, dataset: Dataset, taken: Collection[str]) -> None:
    """Raise `LeakError` if the content hash of an image of `dataset`, a part of `hashed`, is in `taken`, of learnt images."""
    learnt = set(taken)
    leaked = [item.name for item in dataset.items if hashed.contents[item.name] in learnt]
    if leaked:
        raise LeakError(
            f"{dataset.name}: {len(leaked)} images that a model learnt from were about to be evaluated (first: {leaked[0]})"
        )
