"""Segmenters: networks that mark foreground, each in a folder of its own, built by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from howfar import registry
from howfar.errors import InputError, MissingPathError
from howfar.segmenters.family import SegmenterFamily, Training

__all__ = ["SegmenterFamily", "Training", "build_segmenter", "recipe_of", "restore_segmenter"]


def recipe_of(name: str) -> SegmenterFamily:
    """Return what is registered as segmenter `name`; its network is not built yet.

    Raises
    ------
    UnknownNameError
        No such segmenter; the line lists the known ones.
    InputError
        What another package registered is no `SegmenterFamily`.

    Examples
    --------
    >>> recipe_of("unetplusplus").training.loss
    'bce_dice'
    """
    recipe = registry.load("segmenters", name)
    if not isinstance(recipe, SegmenterFamily):
        raise InputError.of(
            f"segmenter {name!r}", "must be registered as a howfar.segmenters.SegmenterFamily", type(recipe).__name__
        )
    return recipe


def build_segmenter(name: str, options: Mapping[str, Any] | None = None, *, pretrained: bool | Path = True) -> Any:
    """Build the segmenter that is registered as `name`: a torch module as `howfar.protocols.Segmenter` describes it.

    Parameters
    ----------
    name
        ``unetplusplus``, ``deepcrack``, ``adsam``, or what another package registers.
    options
        Its architecture's own options; see the recipe's.
    pretrained
        Whether parts that have published weights begin with them, or a local file of those; a checkpoint's weights are loaded
        into one built without.

    Raises
    ------
    UnknownNameError
        No such segmenter.
    InputError
        An option that is unknown or wrong.
    MissingExtraError
        A library that it needs is absent.
    MissingPathError
        Published weights are neither here nor within reach.

    Examples
    --------
    >>> build_segmenter("unetplusplus", pretrained=False).multiple
    32
    """
    recipe = recipe_of(name)
    return recipe.build(recipe.checked(options or {}), pretrained)


def restore_segmenter(name: str, options: Mapping[str, Any], architecture: Mapping[str, Any]) -> Any:
    """Build the network that a checkpoint's weights belong to, from what the checkpoint says and nothing else.

    Parameters
    ----------
    name, options
        As `build_segmenter`.
    architecture
        What the recipe's `describe` said of the network; empty where the recipe has none, and in checkpoints of earlier
        versions, whose network can be built only where the files that its options name still are.

    Raises
    ------
    HowfarError
        As `build_segmenter`; `MissingPathError` where nothing is said and a file that the options name is gone.

    Examples
    --------
    >>> restore_segmenter("deepcrack", {"width": 4}, {}).name
    'deepcrack'
    """
    recipe = recipe_of(name)
    checked = recipe.checked(options)
    if recipe.restore is not None and architecture:
        return recipe.restore(checked, architecture)
    try:
        return recipe.build(checked, False)
    except MissingPathError as error:
        if recipe.restore is None:
            raise
        raise MissingPathError(
            f"the checkpoint was written before howfar kept in it what {name} is built by, and its options no longer tell "
            f"({error}): put the base back where it was, or train again"
        ) from error
