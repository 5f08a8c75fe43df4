"""howfar: how far are new images from what a vision model was trained on, will it fail on them, and which to label.

The public names are loaded on first use, so that ``import howfar`` is quick and never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from howfar import distances, metrics, projection, relation, significance
    from howfar.backbones import load_backbone
    from howfar.data import Dataset
    from howfar.errors import HowfarError
    from howfar.pipeline import embed
    from howfar.pipeline.profile import Profile
    from howfar.results import Comparison, Evaluation, Features, Relation
    from howfar.store import Store
    from howfar.studies.distance import compare
    from howfar.studies.evaluation.evaluate import evaluate
    from howfar.studies.performance.relate import relate
    from howfar.studies.profile import profile

_NAMES = {
    "Comparison": "howfar.results",
    "Dataset": "howfar.data",
    "Evaluation": "howfar.results",
    "Features": "howfar.results",
    "HowfarError": "howfar.errors",
    "Profile": "howfar.pipeline.profile",
    "Relation": "howfar.results",
    "Store": "howfar.store",
    "compare": "howfar.studies.distance",
    "embed": "howfar.pipeline",
    "evaluate": "howfar.studies.evaluation.evaluate",
    "load_backbone": "howfar.backbones",
    "profile": "howfar.studies.profile",
    "relate": "howfar.studies.performance.relate",
}
_MODULES = ("distances", "metrics", "projection", "relation", "significance")

__all__ = [
    "Comparison",
    "Dataset",
    "Evaluation",
    "Features",
    "HowfarError",
    "Profile",
    "Relation",
    "Store",
    "__version__",
    "compare",
    "distances",
    "embed",
    "evaluate",
    "load_backbone",
    "metrics",
    "profile",
    "projection",
    "relate",
    "relation",
    "significance",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"howfar.{name}")
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'howfar' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
