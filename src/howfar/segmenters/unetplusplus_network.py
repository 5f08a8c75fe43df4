"""Define the UNet++ network, and load published ImageNet weights into its encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from howfar.errors import needing
from howfar.segmenters.input_normalisation import Normalise, OneMapNetwork, check_sides
from howfar.weights import efficientnet_lite0, hub_downloads
from howfar.weights.state_dicts import fit_state_dict, read_state_dict

ENCODERS = {"lite0": "tu-tf_efficientnet_lite0", "b3": "efficientnet-b3"}
# Mean and deviation that each encoder's published weights were trained with; the library would ask a hub for them.
STATISTICS = {"lite0": ((0.5,) * 3, (0.5,) * 3), "b3": (hub_downloads.IMAGENET_MEAN, hub_downloads.IMAGENET_STD)}
B3 = "smp-hub/efficientnet-b3.imagenet"
# Classification layers that the published weights hold beside the encoder.
HEADS = ("model.conv_head", "model.bn2", "model.classifier", "_fc")


class UnetPlusPlus(OneMapNetwork):
    """Segment by UNet++: an EfficientNet encoder and a decoder with nested, dense skip connections, one output map.

    Zhou, Siddiquee, Tajbakhsh & Liang, "UNet++: A nested U-Net architecture for medical image segmentation" (DLMIA 2018).
    """

    name = "unetplusplus"
    multiple = 32

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.normalise = Normalise(*STATISTICS[encoder])
        with needing("unetplusplus needs segmentation-models-pytorch: pip install 'howfar[train]'"):
            import segmentation_models_pytorch as library
        self.network = library.UnetPlusPlus(ENCODERS[encoder], encoder_weights=None, in_channels=3, classes=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute logits (b, 1, h, w) of images (b, 3, h, w) of 0-1; sides must be multiples of 32, else `InputError`."""
        check_sides(self.name, pictures, self.multiple)
        logits: Tensor = self.network(self.normalise(pictures))
        return logits

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute the five encoder maps passed to the decoder, at 1/2 to 1/32 of the input sides."""
        check_sides(self.name, pictures, self.multiple)
        maps: Sequence[Tensor] = self.network.encoder(self.normalise(pictures))
        return tuple(maps[1:])


def build(options: Any, pretrained: bool | Path) -> UnetPlusPlus:
    """Build UNet++; if `pretrained`, the encoder starts from ImageNet weights, or from the given file."""
    encoder: str = options.encoder
    network = UnetPlusPlus(encoder)
    if pretrained:
        if isinstance(pretrained, Path):
            file = pretrained
        elif encoder == "lite0":
            file = efficientnet_lite0.packaged_file()
        else:
            from huggingface_hub import hf_hub_download

            files, name = (hub_downloads.SAFE_FILE,), "unetplusplus with encoder b3"
            file = hub_downloads.fetched(name, B3, files, lambda: Path(hf_hub_download(B3, *files)))
        state = read_state_dict(file)
        if encoder == "lite0" and "_conv_stem.weight" in state:
            state = {efficientnet_lite0.timm_name(key): value for key, value in state.items()}
        if encoder == "lite0":
            state = {f"model.{key}": value for key, value in state.items()}
        fit_state_dict(network.network.encoder, state, HEADS, str(file))
    return network
