"""Load backbones, the networks or functions that compute image features, by name, from torch modules or from functions."""

from howfar.backbones.backbone_argument import BackboneArgument, as_backbone, as_loaded, function, is_stored
from howfar.backbones.backbone_family import BackboneFamily, Card, Options
from howfar.backbones.backbone_loading import card_of, cards, known_backbone, load_backbone, takes
from howfar.backbones.torch_module_and_structure_hash import module

__all__ = [
    "BackboneArgument", "BackboneFamily", "Card", "Options", "as_backbone", "as_loaded", "card_of", "cards", "function",
    "is_stored", "known_backbone", "load_backbone", "module", "takes",
]  # fmt: skip
