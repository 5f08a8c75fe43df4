"""Define the network of a frozen encoder and a trained decoder, which may keep features while it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from howfar.segmenters.frozen.decoder import Decoder, Kind
from howfar.segmenters.frozen.encoder import Encoder
from howfar.segmenters.frozen.kept_features import KeptFeatures
from howfar.segmenters.input_size import check_sides


class Frozen(nn.Module):
    """Segment by the feature maps of a frozen encoder; only the decoder's parameters are trained.

    `views` is how many flips and turns of an image a training draws from. `multiple` is what the sides of images must be a
    multiple of: 32 for EfficientNet-Lite0, the side of a patch for a ViT.
    """

    name = "frozen"

    def __init__(self, encoder: Encoder, kind: Kind, width: int, views: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(encoder.channels, encoder.strides, kind, width)
        self.multiple, self.views = encoder.multiple, views
        self._kept: KeptFeatures | None = None

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute logits (b, 1, h, w) of images (b, 3, h, w) of 0-1; sides that the encoder cannot take raise `InputError`."""
        maps = self.encode(pictures) if self._kept is None else self._kept(self._checked(pictures))
        logits: Tensor = self.decoder(maps, (pictures.shape[2], pictures.shape[3]))
        return logits

    def logits(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return the one map that the loss is computed on."""
        return (self(pictures),)

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute the encoder's maps, one for each stride, the largest first; of a ViT the grid of its patches."""
        maps: tuple[Tensor, ...] = self.encoder(self._checked(pictures))
        return maps

    @contextmanager
    def keeping_features(self, limit: int) -> Iterator[None]:
        """Keep features of the images that the block's code passes, in at most `limit` bytes, so that each is encoded once."""
        self._kept = KeptFeatures(self.encode, limit)
        try:
            yield
        finally:
            self._kept = None

    def _checked(self, pictures: Tensor) -> Tensor:
        check_sides(self.name, pictures, self.multiple)
        return pictures
