"""Check a training's settings, and fill in those that the caller leaves out from the segmenter's own."""

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

_FROM_FAMILY = ("size", "epochs", "batch", "loss", "schedule", "rate", "decay")


class Settings(BaseModel):
    """Hold the settings of one training.

    Attributes
    ----------
    size
        Side of the square that images are resized to; the aspect is not kept, as in the paper.
    epochs, batch
        Passes over the training images; images at a time.
    loss, schedule
        Registered names.
    rate, decay
        AdamW's highest learning rate, and weight decay.
    augment
        Whether training images are flipped, turned, and changed in colour and sharpness.
    holdout
        Share of the photographs that are kept out of training, for the threshold, the ODS that is shown, and stopping early.
    patience
        Epochs without a better held-out ODS after which training stops; None: it never does. Refused where holdout is 0.
    keep
        ``best``: the weights of the epoch with the highest held-out ODS; ``last``: those of the last. Where nothing is held
        out, or nothing held out has foreground, there is no ODS, and ``best`` means the last epoch too.
    precision
        ``32``, or ``bf16`` for mixed precision with bfloat16.
    seed
        Seed of the network's random weights, the order of images, their augmentation, and the choice of held-out ones.
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
    family: SegmenterFamily, options: Mapping[str, Any] | None = None, start: Checkpoint | None = None, **given: Any
) -> Settings:
    """Check the settings that a caller passes; those left out, or None, are the segmenter's own.

    Parameters
    ----------
    family
        The segmenter's.
    options
        The architecture's options, which may determine the size; None where they are not known yet.
    start
        A checkpoint that training begins with, whose network may determine the size too.
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
    >>> from howfar.segmenters import segmenter_family
    >>> settings_for(segmenter_family("unetplusplus"), size=100)
    Traceback (most recent call last):
    howfar.errors.InputError: size must be a multiple of 32 for unetplusplus, got 100: pass 96 or 128
    """
    check_names(given, Settings.model_fields)
    values = {name: getattr(family.training, name) for name in _FROM_FAMILY}
    side = None if options is None else only_side(family, options, start)
    if side is not None:
        values["size"] = side
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError.of(name, f"is refused ({first['msg']})", first["input"]) from error
    check_size(family, settings.size, side)
    if settings.patience is not None and not settings.holdout:
        rule, remedy = "needs held-out photographs to judge by, and holdout is 0", "hold a share out, or leave patience out"
        raise InputError.of("patience", rule, settings.patience, remedy)
    registry.load("losses", settings.loss)
    registry.load("schedules", settings.schedule)
    return settings


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse an unknown name of a setting, with the nearest known one in the error.

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


def only_side(family: SegmenterFamily, options: Mapping[str, Any], start: Checkpoint | None = None) -> int | None:
    """Find the one side of images that the network takes, from `start` or from the options; None where there is a choice.

    An option that is unknown or wrong raises `InputError`.
    """
    if family.side is None:
        return None
    if start is not None and start.card.segmenter == family.name and start.card.architecture:
        return start.card.size
    return family.side(family.checked(options))


def check_size(family: SegmenterFamily, size: int, side: int | None) -> None:
    """Refuse an image size that the network cannot take: not its one `side`, or no multiple of the family's `multiple`.

    Examples
    --------
    >>> from howfar.segmenters import segmenter_family
    >>> check_size(segmenter_family("adsam"), 512, 1024)
    Traceback (most recent call last):
    howfar.errors.InputError: size must be 1024, the one side that adsam takes with its options, got 512:
    pass 1024, or options of another side
    """
    if side is not None and size != side:
        rule = f"must be {side}, the one side that {family.name} takes with its options"
        raise InputError.of("size", rule, size, f"pass {side}, or options of another side")
    multiple = family.multiple
    if size % multiple:
        below = size // multiple * multiple
        remedy = f"pass {below} or {below + multiple}" if below else f"pass {multiple}"
        raise InputError.of("size", f"must be a multiple of {multiple} for {family.name}", size, remedy)
