"""Hash the images of a dataset and name their photographs, so that images that a model learnt from can be left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from howfar.data.dataset import Dataset
from howfar.data.groups import fits, guess_photographs
from howfar.data.read import content_hash, read_bytes
from howfar.errors import ImageError, InputError


@dataclass(frozen=True)
class HashedDataset:
    """Hold a dataset with the content hash and photograph of each readable image, by name.

    `group` is the regular expression for photographs, None where it is not given or matches no image: then photographs are
    guessed from names.
    """

    dataset: Dataset
    contents: Mapping[str, str]
    photographs: Mapping[str, str]
    group: str | None = None

    @classmethod
    def of(cls, dataset: Dataset, group: str | None) -> HashedDataset:
        """Hash every image file; `InputError` where the expression for photographs is wrong, or no image can be read."""
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
        photographs = dict(zip(names, guess_photographs(names, own), strict=True))
        items = tuple(item for item in dataset.items if item.name in contents)
        return cls(replace(dataset, items=items), contents, photographs, own)

    def without(self, contents: Collection[str]) -> HashedDataset:
        """Leave out the images with these content hashes."""
        excluded = set(contents)
        items = tuple(item for item in self.dataset.items if self.contents[item.name] not in excluded)
        return replace(self, dataset=replace(self.dataset, items=items))

    def apart_from(self, names: Collection[str]) -> HashedDataset:
        """Leave out all images of the photographs that the named images belong to."""
        excluded = {self.photographs[name] for name in names}
        items = tuple(item for item in self.dataset.items if self.photographs[item.name] not in excluded)
        return replace(self, dataset=replace(self.dataset, items=items))

    def divided(self, share: float, seed: int) -> tuple[list[str], list[str]]:
        """Divide the images' names by photograph into a pool to choose from and the rest, at least one photograph in each.

        A dataset of a single photograph raises `InputError`.
        """
        names = sorted({self.photographs[item.name] for item in self.dataset.items})
        if len(names) < 2:
            raise InputError.of(
                "pool_share", f"needs at least two photographs of {self.dataset.name}", len(names), "leave it out"
            )
        order = np.random.default_rng(seed).permutation(len(names))
        count = min(max(round(share * len(names)), 1), len(names) - 1)
        pool = {names[index] for index in order[:count]}
        inside = [item.name for item in self.dataset.items if self.photographs[item.name] in pool]
        return inside, [item.name for item in self.dataset.items if self.photographs[item.name] not in pool]
