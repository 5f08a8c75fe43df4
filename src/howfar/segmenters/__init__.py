"""Build segmentation networks by registered name (`build_segmenter`) or from a checkpoint's description."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from howfar import registry
from howfar.errors import InputError, MissingPathError
from howfar.segmenters.segmenter_family import SegmenterFamily, TrainingDefaults

__all__ = ["SegmenterFamily", "TrainingDefaults", "build_segmenter", "restore_segmenter", "segmenter_family"]


def segmenter_family(name: str) -> SegmenterFamily:
    """Look up the segmenter family that is registered as `name`, without building its network."""
    family = registry.load("segmenters", name)
    if not isinstance(family, SegmenterFamily):
        rule = "must be registered as a howfar.segmenters.SegmenterFamily"
        raise InputError.of(f"segmenter {name!r}", rule, type(family).__name__)
    return family


def build_segmenter(name: str, options: Mapping[str, Any] | None = None, *, pretrained: bool | Path = True) -> Any:
    """Build the segmenter registered as `name`, a torch module with the interface `howfar.protocols.Segmenter`.

    `pretrained` tells whether parts that have published weights begin with them, or is a local file of such weights; False
    suffices before a checkpoint's weights are loaded.
    """
    family = segmenter_family(name)
    return family.build(family.checked(options or {}), pretrained)


def restore_segmenter(name: str, options: Mapping[str, Any], architecture: Mapping[str, Any]) -> Any:
    """Build a checkpoint's network from the checkpoint's description alone, without its weights' original source.

    `architecture` is the result of the family's `describe`; it is empty where the family has none, and in checkpoints of
    earlier versions, whose network can be built only while the files that its options name exist.
    """
    family = segmenter_family(name)
    checked = family.checked(options)
    if family.restore is not None and architecture:
        return family.restore(checked, architecture)
    try:
        return family.build(checked, False)
    except MissingPathError as error:
        if family.restore is None:
            raise
        raise MissingPathError(
            f"the checkpoint was written before howfar kept in it what {name} is built by, and its options no longer tell "
            f"({error}): put the base back where it was, or train again"
        ) from error
