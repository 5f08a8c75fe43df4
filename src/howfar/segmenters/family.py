"""What a segmenter registers: the options of its architecture, how it is built, and how it is usually trained."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from howfar.errors import InputError


class Options(BaseModel):
    """Base of an architecture's options: JSON values, none unknown, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Training:
    """How a segmenter is trained where the caller does not say otherwise.

    Attributes
    ----------
    size
        Side of the square that pictures are resized to, in pixels.
    epochs, batch
        Passes over the training images; images at a time.
    loss, schedule
        Names as registered.
    rate, decay
        AdamW's learning rate at its highest, and weight decay.
    """

    size: int = 448
    epochs: int = 20
    batch: int = 8
    loss: str = "bce_dice"
    schedule: str = "cosine"
    rate: float = 1e-3
    decay: float = 1e-4


@dataclass(frozen=True)
class SegmenterFamily:
    """What the registry and entry points name: a family of segmenters.

    Attributes
    ----------
    name
        What it is registered as.
    options
        The architecture's options, a subclass of `Options` whose fields all have defaults.
    build
        (options, pretrained) -> torch module; heavy libraries are imported in it, never beside it.
    training
        How it is usually trained.
    summary
        One line: what it is and where it comes from.
    multiple
        What the sides of its input must be a multiple of.
    describe
        network -> JSON values by which it is built, where its options name files or a hub: a checkpoint keeps them.
    restore
        (options, those values) -> torch module, its weights of no account, built by the two alone.
    side
        options -> the one side that its input may have, None where they do not tell; left out where any multiple will do.
    """

    name: str
    options: type[Options]
    build: Callable[[Any, bool | Path], Any]
    training: Training
    summary: str
    multiple: int = 32
    describe: Callable[[Any], Mapping[str, Any]] | None = None
    restore: Callable[[Any, Mapping[str, Any]], Any] | None = None
    side: Callable[[Any], int | None] | None = None

    def checked(self, given: Mapping[str, Any]) -> Options:
        """Check an architecture's options.

        Raises
        ------
        InputError
            An unknown option (the line names the nearest known one), or a value that breaks its rule.

        Examples
        --------
        >>> from howfar.segmenters import recipe_of
        >>> recipe_of("unetplusplus").checked({"encodr": "lite0"})
        Traceback (most recent call last):
        howfar.errors.InputError: option must be one of unetplusplus, got 'encodr': did you mean encoder?
        """
        known = list(self.options.model_fields)
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"its options are {', '.join(known) or 'none'}"
                raise InputError.of("option", f"must be one of {self.name}", name, hint)
        try:
            return self.options(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise InputError.of(f"{self.name}'s {name}", f"is refused ({first['msg']})", first["input"]) from error
