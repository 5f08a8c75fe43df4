"""Keep the features of images that a frozen encoder has seen, within a limit of memory."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
import xxhash
from torch import Tensor

_LOG = logging.getLogger("howfar")


class KeptFeatures:
    """Compute the maps of each different image once, as long as they fit in `limit` bytes; of the others each time.

    Images are told apart by their pixels. Each is encoded by itself, so that neither its batch nor what is kept changes a bit
    of its maps. The first to come are kept: nothing is evicted, since all images come in every epoch. Maps are kept on the CPU.

    Examples
    --------
    >>> kept = KeptFeatures(lambda pictures: (pictures.mean(1, keepdim=True),), limit=1000)
    >>> kept(torch.ones(2, 3, 4, 4))[0].shape, len(kept)
    (torch.Size([2, 1, 4, 4]), 1)
    """

    def __init__(self, encode: Callable[[Tensor], tuple[Tensor, ...]], limit: int) -> None:
        self._encode, self._left = encode, limit
        self._maps: dict[bytes, tuple[Tensor, ...]] = {}
        self._full = False

    def __len__(self) -> int:
        return len(self._maps)

    def __call__(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Give the maps of a batch (b, 3, h, w), on its device."""
        each = [self._of(picture[None]) for picture in pictures]
        # Copies: what was computed in inference mode cannot be learnt from itself.
        return tuple(torch.cat(maps).to(pictures.device) for maps in zip(*each, strict=True))

    def _of(self, picture: Tensor) -> tuple[Tensor, ...]:
        key = xxhash.xxh3_128_digest(picture.cpu().contiguous().numpy().data)
        kept = self._maps.get(key)
        if kept is not None:
            return kept
        maps = tuple(map_.cpu() for map_ in self._encode(picture.contiguous(memory_format=torch.channels_last)))
        size = sum(map_.nbytes for map_ in maps)
        if size <= self._left:
            self._left -= size
            self._maps[key] = maps
        elif not self._full:
            self._full = True
            _LOG.warning(
                "the features of %d pictures fill the memory that they may take; those of the others are computed anew in each "
                "epoch: give more (--memory), a smaller size, or fewer views",
                len(self._maps),
            )
        return maps
