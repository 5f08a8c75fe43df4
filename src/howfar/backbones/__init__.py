"""Backbones (F of the paper, eq. 1): by name, each in the file of its family, loaded when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from howfar import registry
from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.torch_module import module
from howfar.errors import HowfarError, InputError, MissingExtraError, UnknownNameError
from howfar.keywords import BackboneOptions
from howfar.protocols import Backbone
from howfar.settings import with_options

__all__ = ["BackboneFamily", "Card", "Options", "cards", "load_backbone", "module", "takes"]


@with_options(BackboneOptions)
def load_backbone(name: str, **options: Unpack[BackboneOptions]) -> Backbone:
    """Load the backbone F: image -> R^q (eq. 1 of the paper) that is registered as `name`.

    Parameters
    ----------
    name
        A registered name, or ``family:model``: ``efficientnet_lite0``, ``pixels``, ``timm:resnet18``.

    Returns
    -------
    Backbone
        Its `embed` may be called from several threads at once.

    Raises
    ------
    UnknownNameError
        No such name; the line lists the known ones.
    InputError
        An option that is unknown, wrong, or of no use to the family.
    MissingPathError
        The weights are neither here nor within reach.
    MissingExtraError
        A library that the family needs is absent.

    Examples
    --------
    >>> from PIL import Image
    >>> backbone = load_backbone("colour_moments")
    >>> backbone.embed(backbone.prepare(Image.new("RGB", (640, 480), (255, 0, 51)))[None])
    array([[1. , 0. , 0.2, 0. , 0. , 0. ]], dtype=float32)
    """
    family, _, model = name.partition(":")
    recipe = _recipe(family)
    if model and options.setdefault("model", model) != model:
        raise InputError.of("model", f"must be named once, and {name!r} names {model!r}", options["model"])
    return recipe.build(recipe.options(options))


def takes(name: str) -> tuple[str, ...]:
    """The options of `load_backbone` that the backbone of this name has a use for.

    Raises
    ------
    UnknownNameError
        No such name.

    Examples
    --------
    >>> takes("pixels")
    ('fit', 'via')
    """
    return _recipe(name.partition(":")[0]).takes


def cards() -> list[Card]:
    """List every registered family, ours and those of installed packages, without loading any network.

    A family whose package fails to import is listed too, with the reason as its summary.

    Examples
    --------
    >>> {card.name: card.length for card in cards()}["efficientnet_lite0"]
    1280
    """
    return [_card(name) for name in registry.names("backbones")]


def _card(name: str) -> Card:
    try:
        return replace(_recipe(name).card, name=name)
    except HowfarError as error:
        return Card(name, None, "", "", "", str(error))


def _recipe(name: str) -> BackboneFamily:
    try:
        recipe = registry.load("backbones", name)
    except UnknownNameError:
        raise
    # Another package's module may fail in any way at import, and must not take the list down with it.
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        raise MissingExtraError(f"backbone {name!r} cannot be loaded: {type(error).__name__}: {reason}") from error
    if not isinstance(recipe, BackboneFamily):
        raise InputError.of(
            f"backbone {name!r}", "must be registered as a howfar.backbones.BackboneFamily", type(recipe).__name__
        )
    return recipe
