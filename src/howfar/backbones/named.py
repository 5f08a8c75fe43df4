"""Load backbones by their registered names, and list those that there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from howfar import registry
from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.errors import HowfarError, InputError, MissingExtraError, UnknownNameError, one_line
from howfar.keywords import BackboneOptions
from howfar.protocols import Backbone
from howfar.settings import with_options


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
        The weights are neither on disk nor can they be downloaded.
    MissingExtraError
        A library that the family needs is absent.

    Examples
    --------
    >>> from PIL import Image
    >>> backbone = load_backbone("colour_moments")
    >>> backbone.embed(backbone.prepare(Image.new("RGB", (640, 480), (255, 0, 51)))[None])
    array([[1. , 0. , 0.2, 0. , 0. , 0. ]], dtype=float32)
    """
    family, checked = family_and_options(name, options)
    return family.build(checked)


def family_and_options(name: str, options: BackboneOptions) -> tuple[BackboneFamily, Options]:
    """Return the family that a backbone's name is of, and the checked options; raises as `load_backbone` before it builds."""
    registered, _, model = name.partition(":")
    family = _family(registered)
    if model and options.setdefault("model", model) != model:
        raise InputError.of("model", f"must be named once, and {name!r} names {model!r}", options["model"])
    return family, family.options(options)


def takes(name: str) -> tuple[str, ...]:
    """List the options of `load_backbone` that the backbone of this name reads; an unknown name raises `UnknownNameError`."""
    return _family(name.partition(":")[0]).takes


def card_of(name: str) -> Card:
    """Describe the backbone that `load_backbone` loads by this name; an unknown one raises `UnknownNameError`.

    Examples
    --------
    >>> card_of("timm:resnet18").name, card_of("pixels").length
    ('timm', 27648)
    """
    return _family(name.partition(":")[0]).card


def cards() -> list[Card]:
    """List every registered backbone family, howfar's own and those of installed packages, without loading any network.

    A family whose package fails to import is listed too, with the reason as its summary.

    Examples
    --------
    >>> {card.name: card.length for card in cards()}["efficientnet_lite0"]
    1280
    """
    return [_card(name) for name in registry.names("backbones")]


def _card(name: str) -> Card:
    try:
        return replace(_family(name).card, name=name)
    except HowfarError as error:
        return Card(name, None, "", "", "", str(error))


def _family(name: str) -> BackboneFamily:
    try:
        family = registry.load("backbones", name)
    except UnknownNameError:
        raise
    # Another package's module may fail in any way at import, and must not break the list of the others.
    except Exception as error:
        raise MissingExtraError(f"backbone {name!r} cannot be loaded: {type(error).__name__}: {one_line(error)}") from error
    if not isinstance(family, BackboneFamily):
        rule = "must be registered as a howfar.backbones.BackboneFamily"
        raise InputError.of(f"backbone {name!r}", rule, type(family).__name__)
    return family
