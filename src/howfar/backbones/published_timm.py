"""Published networks that the timm library has: the paper's EfficientNet-B3, unpooled, and MobileCLIP's embedding."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.timm import backbone_of, libraries, with_weights

if TYPE_CHECKING:
    from howfar.backbones.torch_backbone import Network


class Row(NamedTuple):
    """One timm network as a backbone: its name with the tag of its weights, their size, how it is created, its input."""

    name: str
    model: str
    download: str
    create: dict[str, Any]
    config: dict[str, Any]


def build_row(row: Row, options: Options) -> Network:
    """Build one of the networks below.

    Its weights come from `options.weights` (a state dict, classifier or none), or else from the hub's cache or the hub;
    they are random, of one seed, where `options.pretrained` is False.

    Raises
    ------
    InputError
        The weights do not fit.
    MissingPathError
        The hub cannot be reached; the line says what to download.
    MissingExtraError
        torch or timm is not installed.
    """
    network = with_weights(libraries(row.name), row.name, row.model, options, row.download, **row.create)
    return backbone_of(row.name, row.model, network, row.config, options)


_B3: Final = Row(
    "enet",
    "efficientnet_b3.ra2_in1k",
    "49 MB",
    {"num_classes": 0},
    {
        # The paper's size; a network of convolutions takes any.
        "input_size": (3, 448, 448),
        "interpolation": "bicubic",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    },
)
# Its head is the projection to CLIP's space, so it is kept.
_MOBILECLIP: Final = Row(
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
    partial(build_row, _B3),
    takes=("device", "weights", "pretrained", "pool", "fit", "via", "engine", "precision"),
    defaults={"pool": False},
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
    partial(build_row, _MOBILECLIP),
    takes=("device", "weights", "pretrained", "fit", "via", "engine", "precision"),
)
