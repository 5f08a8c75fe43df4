"""What may be evaluated: no image that any model of the study learnt from, nor another tile of its photograph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from howfar.data import Dataset, content_hash, read_bytes
from howfar.data.groups import fits, guess_photographs
from howfar.errors import ImageError, InputError, LeakError


@dataclass(frozen=True)
class Known:
    """A dataset whose files have been read: content and photograph of each image, by name; the unreadable are left out.

    `group` is the expression for photographs, None where none was given or it matches no image: then they are guessed.
    """

    dataset: Dataset
    contents: Mapping[str, str]
    photographs: Mapping[str, str]
    group: str | None = None

    @classmethod
    def of(cls, dataset: Dataset, group: str | None) -> Known:
        """Read every file's bytes.

        Raises
        ------
        InputError
            The expression for photographs is none, or no image can be read.
        """
        contents = {}
        for item in dataset.items:
            try:
                contents[item.name] = content_hash(read_bytes(item.path))
            except ImageError:
                continue
        if not contents:
            raise InputError.of(f"dataset {dataset.name}", "must hold an image that can be read", "none")
        names = [item.name for item in dataset.items]
        own = group if group is not None and fits(names, group) else None
        found = dict(zip(names, guess_photographs(names, own), strict=True))
        items = tuple(item for item in dataset.items if item.name in contents)
        return cls(replace(dataset, items=items), contents, found, own)

    def without(self, contents: Collection[str]) -> Known:
        """The images that are not among these contents."""
        taken = set(contents)
        kept = tuple(item for item in self.dataset.items if self.contents[item.name] not in taken)
        return replace(self, dataset=replace(self.dataset, items=kept))

    def apart_from(self, names: Collection[str]) -> Known:
        """The images of other photographs than these images are of."""
        gone = {self.photographs[name] for name in names}
        kept = tuple(item for item in self.dataset.items if self.photographs[item.name] not in gone)
        return replace(self, dataset=replace(self.dataset, items=kept))

    def divided(self, share: float, seed: int) -> tuple[list[str], list[str]]:
        """Names of the images to choose from, and of the others, by photograph; at least one photograph in each.

        Raises
        ------
        InputError
            There is a single photograph.
        """
        names = sorted({self.photographs[item.name] for item in self.dataset.items})
        if len(names) < 2:
            raise InputError.of("pool", f"needs at least two photographs of {self.dataset.name}", len(names), "leave it out")
        order = np.random.default_rng(seed).permutation(len(names))
        count = min(max(round(share * len(names)), 1), len(names) - 1)
        pool = {names[place] for place in order[:count]}
        inside = [item.name for item in self.dataset.items if self.photographs[item.name] in pool]
        return inside, [item.name for item in self.dataset.items if self.photographs[item.name] not in pool]


@dataclass(frozen=True)
class Part:
    """What is evaluated of a dataset, and whether its images are known to hold no foreground."""

    known: Known
    dataset: Dataset
    blank: bool = False


def check_unseen(known: Known, dataset: Dataset, taken: Collection[str]) -> None:
    """Refuse to evaluate what was learnt from, by content.

    Parameters
    ----------
    known
        The dataset that `dataset` is part of.
    dataset
        What is about to be evaluated.
    taken
        Contents that a model of the study learnt from.

    Raises
    ------
    LeakError
        One of its images is among them.
    """
    seen = set(taken)
    leaked = [item.name for item in dataset.items if known.contents[item.name] in seen]
    if leaked:
        raise LeakError(
            f"{dataset.name}: {len(leaked)} images that a model learnt from were about to be evaluated (first: {leaked[0]})"
        )
