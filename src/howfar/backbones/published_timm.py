"""Build two published timm networks as backbones: EfficientNet-B3's unpooled map, and MobileCLIP's image embedding."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.timm import backbone_of, create_network, import_timm, weights_origin
from howfar.weights.hub import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from howfar.backbones.torch_backbone import TorchBackbone


class TimmModel(NamedTuple):
    """Describe one timm network as a backbone: its name with the tag of its weights, their size, arguments, and input."""

    name: str
    model: str
    download: str
    create: dict[str, Any]
    config: dict[str, Any]


def build_timm_model(model: TimmModel, options: Options) -> TorchBackbone:
    """Build a timm network with its published weights, with those of `options.weights`, or with random ones.

    Local weights are a state dict with or without the classifier; published ones are in the hub's cache or downloaded. The
    errors are those of `howfar.backbones.timm.create_network`, and `MissingExtraError` where torch or timm is not installed.
    """
    network = create_network(import_timm(model.name), model.name, model.model, options, model.download, **model.create)
    return backbone_of(model.name, model.model, network, model.config, options)


_B3: Final = TimmModel(
    "enet",
    "efficientnet_b3.ra2_in1k",
    "49 MB",
    {"num_classes": 0},
    {
        # The paper's size; a network of convolutions takes any.
        "input_size": (3, 448, 448),
        "interpolation": "bicubic",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
    },
)
# The head projects to CLIP's space, so it is part of the embedding.
_MOBILECLIP: Final = TimmModel(
    "mobileclip",
    "fastvit_mci0.apple_mclip2_dfndr2b",
    "46 MB",
    {},
    {"input_size": (3, 256, 256), "interpolation": "bicubic", "mean": (0.0,) * 3, "std": (1.0,) * 3},
)
ENET: Final = BackboneFamily(
    Card(
        "enet",
        301_056,
        "448×448 RGB",
        "the hub's timm/efficientnet_b3.ra2_in1k (49 MB), or weights=FILE",
        "Apache-2.0",
        "EfficientNet-B3's map before the head, 1536×14×14 (table 1)",
    ),
    partial(build_timm_model, _B3),
    takes=("device", "weights", "pretrained", "pool", "fit", "via", "engine", "precision"),
    defaults={"pool": False},
    origin=weights_origin,
)
MOBILECLIP: Final = BackboneFamily(
    Card(
        "mobileclip",
        512,
        "256×256 RGB",
        "the hub's timm/fastvit_mci0.apple_mclip2_dfndr2b (46 MB), or weights=FILE",
        "Apple AMLR (research only)",
        "MobileCLIP2-S0's image embedding",
    ),
    partial(build_timm_model, _MOBILECLIP),
    takes=("device", "weights", "pretrained", "fit", "via", "engine", "precision"),
    origin=weights_origin,
)
