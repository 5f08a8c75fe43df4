"""Use the encoder's feature maps of a segmenter trained by `howfar train` as a backbone's features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.backbone_family import BackboneFamily, Card, Options, weights_origin
from howfar.backbones.preprocessing import Preprocess
from howfar.errors import InputError

# torch is imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from torch import Tensor, nn

    from howfar.backbones.torch_backbone import TorchBackbone


def _build_segmenter_backbone(name: str, options: Options) -> TorchBackbone:
    """Build the encoder of a trained segmenter as a backbone; each map is a layer, flattened as (channel, row, column)."""
    from howfar.backbones.torch_backbone import Feature, TorchBackbone
    from howfar.segmenters.checkpoint import Checkpoint

    if options.weights is None:
        raise InputError.of("weights", f"must name a checkpoint of {name}", None, f"howfar train --model {name} writes one")
    checkpoint = Checkpoint.load(options.weights)
    trained = checkpoint.card.segmenter
    if trained != name:
        raise InputError.of("weights", f"must name a checkpoint of {name}", trained, f"choose the backbone {trained}")
    return TorchBackbone(
        name=name,
        model=name,
        network=checkpoint.build(),
        feature=Feature(_pooled, "encoder", "mean") if options.pool else Feature(_encoded, "encoder", "none"),
        preprocess=Preprocess.of(options, (checkpoint.card.size, checkpoint.card.size), (0.5,) * 3),
        # A segmenter normalises its own input.
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        options=options,
    )


def _encoded(network: Any, pictures: Tensor) -> Sequence[Tensor]:
    maps: Sequence[Tensor] = network.encode(pictures)
    return maps


def _pooled(network: nn.Module, pictures: Tensor) -> Sequence[Tensor]:
    return [layer.mean(dim=(2, 3)) for layer in _encoded(network, pictures)]


def _family(name: str, side: int, summary: str) -> BackboneFamily:
    size, weights = f"{side}×{side} RGB, or the size it was trained at", "weights=CKPT that howfar train wrote"
    return BackboneFamily(
        Card(name, None, size, weights, "your own", summary),
        partial(_build_segmenter_backbone, name),
        takes=("device", "weights", "pool", "fit", "via", "engine", "precision"),
        defaults={"pool": False},
        # The encoder of `frozen` is a backbone of its own, read from elsewhere.
        origin=None if name == "frozen" else weights_origin("torch", "timm", "transformers", "safetensors"),
    )


UNETPLUSPLUS: Final = _family("unetplusplus", 448, "UNet++'s five encoder maps (2,740,864 values with EfficientNet-B3 at 448)")
DEEPCRACK: Final = _family("deepcrack", 448, "DeepCrack's five pooled maps (6,121,472 values at 448)")
ADSAM: Final = _family("adsam", 1024, "SAM-Adapter's image embedding (1,048,576 values at 1024)")
FROZEN: Final = _family("frozen", 448, "the maps of the frozen encoder of a segmenter that you trained")
