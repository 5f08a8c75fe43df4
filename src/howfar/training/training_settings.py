"""Validate a training's settings, and fill in omitted settings from the segmenter's defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Unpack

from pydantic import BaseModel, ConfigDict, ValidationError

from howfar import options, registry
from howfar.errors import InputError, option
from howfar.option_checks_and_signatures import checked, declared, picked, refuse_unknown
from howfar.options_by_function import TrainKeywords
from howfar.segmenters import SegmenterFamily

if TYPE_CHECKING:
    from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard

THREADS: Final = "threads"  # the entry of a kept state, and of a checkpoint's data, that says how many threads torch had


class TrainSettings(BaseModel):
    """Hold the settings of one training, with omitted settings filled in from the segmenter's defaults."""

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
    steps: options.TrainingSteps = None
    balance: options.Balance = None
    rescale: options.Rescale = 0.0
    tune: options.Tune = "all"


def settings_for(
    family: SegmenterFamily,
    architecture: Mapping[str, Any] | None = None,
    start: Checkpoint | None = None,
    **given: Unpack[TrainKeywords],
) -> TrainSettings:
    """Validate a caller's settings; omitted or None settings get the segmenter's defaults."""
    refuse_unknown(given, declared(TrainKeywords))
    values = {**picked(TrainKeywords, vars(family.training))}
    side = None if architecture is None else only_side(family, architecture, start)
    if side is not None:
        values["size"] = side
    chosen = checked(TrainKeywords, values | picked(TrainKeywords, given))
    settings = TrainSettings(**chosen)  # type: ignore[arg-type]  # the family fills in None
    check_size(family, settings.size, side)
    if settings.patience is not None and not settings.holdout:
        rule, remedy = "needs held-out photographs to judge by, and holdout is 0", "hold a share out, or leave patience out"
        raise InputError.of("patience", rule, settings.patience, remedy)
    if settings.rescale and not settings.augment:
        raise InputError.of("rescale", "is a kind of augmentation, and augment is off", settings.rescale, "leave it out")
    registry.load("losses", settings.loss)
    registry.load("schedules", settings.schedule)
    if settings.steps is not None and settings.steps < settings.epochs:
        rule = f"must be at least 1 in each of the {settings.epochs} epochs"
        raise InputError.of("steps", rule, settings.steps, f"pass {settings.epochs}, or fewer epochs")
    if settings.balance is not None and settings.batch < 2:
        remedy = f"pass {option('batch', 2)} or more"
        raise InputError.of("balance", "needs a batch of at least two images", settings.batch, remedy)
    return settings


def settings_of(card: CheckpointCard) -> TrainSettings | None:
    """Read a checkpoint's training settings, with defaults for earlier versions; None if the checkpoint has none."""
    try:
        return TrainSettings(**card.settings)
    except ValidationError:
        return None


def kept_epoch(history: Sequence[Mapping[str, Any]], keep: str) -> Mapping[str, Any] | None:
    """Return the epoch whose weights are kept: the best by held-out ODS, or the last; None without held-out images."""
    scored = [epoch for epoch in history if epoch.get("ods") is not None]
    if not scored:
        return None
    return max(scored, key=lambda epoch: float(epoch["ods"])) if keep == "best" else scored[-1]


def only_side(family: SegmenterFamily, architecture: Mapping[str, Any], start: Checkpoint | None = None) -> int | None:
    """Return the only image side the network accepts, from `start` or the options; None if several sides are possible."""
    if family.side is None:
        return None
    if start is not None and start.card.segmenter == family.name and start.card.architecture:
        return start.card.size
    return family.side(family.checked(architecture))


def check_size(family: SegmenterFamily, size: int, side: int | None) -> None:
    """Raise an error for an image size other than the network's fixed `side`, or not a multiple of the family's `multiple`."""
    if side is not None and size != side:
        rule = f"must be {side}, the one side that {family.name} takes with its options"
        raise InputError.of("size", rule, size, f"pass {side}, or options of another side")
    if size % family.multiple:
        below = size // family.multiple * family.multiple
        remedy = f"pass {below} or {below + family.multiple}" if below else f"pass {family.multiple}"
        raise InputError.of("size", f"must be a multiple of {family.multiple} for {family.name}", size, remedy)
