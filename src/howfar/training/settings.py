"""How a segmenter is to be trained: checked settings, filled up from its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from pydantic import BaseModel, ConfigDict

from howfar import keywords, options, registry
from howfar.errors import InputError
from howfar.segmenters import SegmenterFamily
from howfar.settings import checked, declared, picked, refuse_unknown

if TYPE_CHECKING:
    from howfar.segmenters.checkpoint import Checkpoint

_FROM_RECIPE = ("size", "epochs", "batch", "loss", "schedule", "rate", "decay")


class TrainSettings(BaseModel):
    """Settings of a training, with the segmenter's own filled in where none were given.

    Pictures are resized to a square of side `size`; their aspect is not kept, as in the paper. With a `holdout` of 0, or where
    nothing held out has foreground, there is no ODS to judge by, and `keep` ``best`` means the last epoch too.
    """

    model_config = ConfigDict(frozen=True)

    size: int
    epochs: int
    batch: int
    loss: str
    schedule: str
    rate: float
    decay: float
    augment: options.Augment
    holdout: options.Holdout
    patience: options.Patience
    keep: options.Keep
    precision: options.TrainingPrecision
    seed: options.Seed


def settings_for(
    recipe: SegmenterFamily,
    architecture: Mapping[str, Any] | None = None,
    start: Checkpoint | None = None,
    **given: Unpack[keywords.TrainSettings],
) -> TrainSettings:
    """Check what a caller asks, the rest from the segmenter's recipe; None stands for "the segmenter's own".

    Parameters
    ----------
    recipe
        The segmenter's.
    architecture
        Options of the architecture, which may leave no choice of the size; None where they are not known yet.
    start
        A checkpoint that training begins with, whose network may not leave it either.
    **given
        Settings by name.

    Raises
    ------
    InputError
        A setting that is unknown (the line names the nearest known one) or breaks its rule.
    UnknownNameError
        No such loss or schedule.

    Examples
    --------
    >>> from howfar.segmenters import recipe_of
    >>> settings_for(recipe_of("unetplusplus"), size=100)
    Traceback (most recent call last):
    howfar.errors.InputError: size must be a multiple of 32 for unetplusplus, got 100: pass 96 or 128
    """
    refuse_unknown(given, declared(keywords.TrainSettings))
    values = {name: getattr(recipe.training, name) for name in _FROM_RECIPE}
    side = None if architecture is None else only_side(recipe, architecture, start)
    if side is not None:
        values["size"] = side
    settings = TrainSettings(**checked(keywords.TrainSettings, values | picked(keywords.TrainSettings, given)))  # type: ignore[arg-type]  # the recipe fills in None
    check_size(recipe, settings.size, side)
    if settings.patience is not None and not settings.holdout:
        rule, remedy = "needs held-out photographs to judge by, and holdout is 0", "hold a share out, or leave patience out"
        raise InputError.of("patience", rule, settings.patience, remedy)
    registry.load("losses", settings.loss)
    registry.load("schedules", settings.schedule)
    return settings


def only_side(recipe: SegmenterFamily, architecture: Mapping[str, Any], start: Checkpoint | None = None) -> int | None:
    """The one side of pictures that the network takes: that of `start`, or as the options tell; None where there is a choice.

    Raises
    ------
    InputError
        An option that is unknown or wrong.
    """
    if recipe.side is None:
        return None
    if start is not None and start.card.segmenter == recipe.name and start.card.architecture:
        return start.card.size
    return recipe.side(recipe.checked(architecture))


def check_size(recipe: SegmenterFamily, size: int, side: int | None) -> None:
    """Refuse a size that the network cannot be fed: not its one `side`, or no multiple of the recipe's.

    Examples
    --------
    >>> from howfar.segmenters import recipe_of
    >>> check_size(recipe_of("adsam"), 512, 1024)
    Traceback (most recent call last):
    howfar.errors.InputError: size must be 1024, the one side that adsam takes with its options, got 512:
    pass 1024, or options of another side
    """
    if side is not None and size != side:
        rule = f"must be {side}, the one side that {recipe.name} takes with its options"
        raise InputError.of("size", rule, size, f"pass {side}, or options of another side")
    multiple = recipe.multiple
    if size % multiple:
        below = size // multiple * multiple
        remedy = f"pass {below} or {below + multiple}" if below else f"pass {multiple}"
        raise InputError.of("size", f"must be a multiple of {multiple} for {recipe.name}", size, remedy)
