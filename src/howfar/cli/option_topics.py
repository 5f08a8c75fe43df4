"""Say under which head an option stands in the help of a command that has many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FIRST: Final = "Options"
"""The head of what one command alone has."""
OUTPUT: Final = "Output and defaults"
TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    FIRST: ("out", "model", "backbone", "by", "map"),
    "Distance": ("components", "projection", "scale", "neighbours", "rivals", "baselines", "limit", "leaks"),
    "Performance": (
        *("task", "metric", "threshold", "retune", "foreground", "tolerance", "tau", "flat", "iou", "min_score"),
        *("estimator", "until", "predictions", "flipped", "ensemble", "tiles", "truth", "partial", "learnt", "corrupted"),
        *("only",),
        *("columns", "classes", "ignore_index"),
    ),
    "How sure it is": ("seed", "bootstrap", "permutations", "level", "error_rate"),
    "Photographs and labels": ("group", "label_names", "with_images", "complete"),
    "Few labels": (
        *("shots", "strategies", "seeds", "random_seeds", "pool_share", "background_shots", "without_labels"),
        *("adapt", "share"),
    ),
    "Training": (
        *("epochs", "batch", "steps", "loss", "schedule", "rate", "decay", "augment", "rescale", "balance"),
        *("holdout", "patience", "keep", "tune"),
    ),
    "Network": (
        *("options", "pretrained", "size", "tiled", "mean", "std", "output", "channel", "reading"),
        *("weights", "pool", "fit", "via", "backbone_option", "precision"),
    ),
    "Prompts": ("texts", "foreground_points", "background_points", "sam", "clipseg"),
    "Where it runs": ("device", "runner", "address", "workers", "batch_size", "memory", "store", "allow_urls", "log"),
    OUTPUT: ("every", "json", "quiet", "verbose", "config", "help"),
}
ORDER: Final = ("Arguments", *TOPICS)
_HEADS: Final = {name: topic for topic, names in TOPICS.items() for name in names}


def topic_of(option: str) -> str:
    """Return the head of an option by its name in Python; that of a command's own options for what is in no topic.

    Examples
    --------
    >>> topic_of("bootstrap"), topic_of("picked")
    ('How sure it is', 'Options')
    """
    return _HEADS.get(option, FIRST)
