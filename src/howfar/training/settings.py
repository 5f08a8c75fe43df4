"""How a segmenter is to be trained: checked settings, filled up from its recipe."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from howfar import registry
from howfar.errors import InputError
from howfar.segmenters import SegmenterFamily

if TYPE_CHECKING:
    from howfar.segmenters.checkpoint import Checkpoint

_FROM_RECIPE = ("size", "epochs", "batch", "loss", "schedule", "rate", "decay")


class Settings(BaseModel):
    """A training's settings; what is not given is the segmenter's own.

    Attributes
    ----------
    size
        Side of the square that pictures are resized to; the aspect is not kept, as in the paper.
    epochs, batch, loss, schedule, rate, decay
        As `howfar.segmenters.Training`.
    augment
        Whether training pictures are flipped, turned, and changed in colour and sharpness.
    holdout
        Share of the photographs that are kept out of training, for the threshold, the ODS that is shown, and stopping early.
    patience
        Epochs without a better held-out ODS after which training stops; None: it never does. Refused where holdout is 0.
    keep
        ``best``: the weights of the epoch with the highest held-out ODS; ``last``: those of the last. Where nothing is held
        out, or nothing held out has foreground, there is no ODS to judge by, and ``best`` means the last epoch too.
    precision
        ``32`` or ``bf16``: mixed with bfloat16.
    seed
        Of the network's own random weights, the order of pictures, what augments them, and which are held out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(gt=0)
    epochs: int = Field(gt=0)
    batch: int = Field(gt=0)
    loss: str
    schedule: str
    rate: float = Field(gt=0, allow_inf_nan=False)
    decay: float = Field(ge=0, allow_inf_nan=False)
    augment: bool = True
    holdout: float = Field(0.1, ge=0, lt=1)
    patience: int | None = Field(None, gt=0)
    keep: Literal["best", "last"] = "best"
    precision: Literal["32", "bf16"] = "32"
    seed: int = Field(0, ge=0, lt=2**32)


def settings_for(
    recipe: SegmenterFamily, options: Mapping[str, Any] | None = None, start: Checkpoint | None = None, **given: Any
) -> Settings:
    """Check what a caller asks, the rest from the segmenter's recipe; None stands for "the segmenter's own".

    Parameters
    ----------
    recipe
        The segmenter's.
    options
        The architecture's, which may leave no choice of the size; None where they are not known yet.
    start
        A checkpoint that training begins with, whose network may not leave it either.
    **given
        Fields of `Settings`.

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
    check_names(given, Settings.model_fields)
    values = {name: getattr(recipe.training, name) for name in _FROM_RECIPE}
    side = None if options is None else only_side(recipe, options, start)
    if side is not None:
        values["size"] = side
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError.of(name, f"is refused ({first['msg']})", first["input"]) from error
    check_size(recipe, settings.size, side)
    if settings.patience is not None and not settings.holdout:
        rule, remedy = "needs held-out photographs to judge by, and holdout is 0", "hold a share out, or leave patience out"
        raise InputError.of("patience", rule, settings.patience, remedy)
    registry.load("losses", settings.loss)
    registry.load("schedules", settings.schedule)
    return settings


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a name of a setting that is none of the known, naming the nearest.

    Examples
    --------
    >>> check_names(["epoch"], ["size", "epochs"])
    Traceback (most recent call last):
    howfar.errors.InputError: setting must be one of a training's, got 'epoch': did you mean epochs?
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"they are {', '.join(names)}"
            raise InputError.of("setting", "must be one of a training's", name, hint)


def only_side(recipe: SegmenterFamily, options: Mapping[str, Any], start: Checkpoint | None = None) -> int | None:
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
    return recipe.side(recipe.checked(options))


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
