"""How a segmenter is to be trained: checked settings, filled up from its recipe."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from howfar import registry
from howfar.errors import InputError
from howfar.segmenters import Recipe

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
        Epochs without a better held-out ODS after which training stops; None: it never does.
    keep
        ``best``: the weights of the epoch with the highest held-out ODS; ``last``: those of the last.
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


def settings_for(recipe: Recipe, **given: Any) -> Settings:
    """Check what a caller asks, the rest from the segmenter's recipe; None stands for "the segmenter's own".

    Parameters
    ----------
    recipe
        The segmenter's.
    **given
        Fields of `Settings`.

    Raises
    ------
    InputError
        A setting that is unknown or breaks its rule.
    UnknownNameError
        No such loss or schedule.

    Examples
    --------
    >>> from howfar.segmenters import recipe_of
    >>> settings_for(recipe_of("unetplusplus"), size=100)
    Traceback (most recent call last):
    howfar.errors.InputError: size must be a multiple of 32 for unetplusplus, got 100: pass 96 or 128
    """
    values = {name: getattr(recipe.training, name) for name in _FROM_RECIPE}
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError.of(name, f"is refused ({first['msg']})", first["input"]) from error
    multiple = recipe.multiple
    if settings.size % multiple:
        below = settings.size // multiple * multiple
        remedy = f"pass {below} or {below + multiple}" if below else f"pass {multiple}"
        raise InputError.of("size", f"must be a multiple of {multiple} for {recipe.name}", settings.size, remedy)
    registry.load("losses", settings.loss)
    registry.load("schedules", settings.schedule)
    return settings
