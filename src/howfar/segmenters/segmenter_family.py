"""Define `SegmenterFamily`, by which a package registers a segmentation network: options, builder, training defaults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from howfar.errors import InputError, rule_broken
from howfar.option_validation import nearest


class ArchitectureOptions(BaseModel):
    """Hold an architecture's options as immutable JSON values, rejecting unknown names; families subclass this."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class TrainingDefaults:
    """Hold a segmenter's default training settings: `size` in pixels, AdamW's highest `rate` and its weight `decay`."""

    size: int = 448
    epochs: int = 20
    batch: int = 8
    loss: str = "bce_dice"
    schedule: str = "cosine"
    rate: float = 1e-3
    decay: float = 1e-4


@dataclass(frozen=True)
class SegmenterFamily:
    """Register a family of segmenters under one name, in the registry or as an entry point.

    `options` is a subclass of `ArchitectureOptions` whose fields all have defaults. `build`, (options, pretrained) -> torch
    module, imports heavy libraries inside it, not at the top of its file. `summary` is one line: the architecture and its
    source; `multiple` is the number that the sides of its input must be a multiple of. `describe`, network -> JSON values,
    gives what suffices to build the network where its options name files or a hub, as a checkpoint keeps it; `restore`,
    (options, those values) -> torch module, builds it from the two alone, with any weights. `side`, options -> the one side
    that its input may have, returns None where they do not determine it; it is left out where any multiple fits.
    """

    name: str
    options: type[ArchitectureOptions]
    build: Callable[[Any, bool | Path], Any]
    training: TrainingDefaults
    summary: str
    multiple: int = 32
    describe: Callable[[Any], Mapping[str, Any]] | None = None
    restore: Callable[[Any, Mapping[str, Any]], Any] | None = None
    side: Callable[[Any], int | None] | None = None

    def checked(self, given: Mapping[str, Any]) -> ArchitectureOptions:
        """Validate an architecture's options; `InputError` names the option nearest to an unknown one."""
        names = list(self.options.model_fields)
        for name in given:
            if name not in names:
                raise InputError.of("option", f"must be one of {self.name}", name, nearest(name, names, "options"))
        try:
            return self.options(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise InputError.of(f"{self.name}'s {name}", rule_broken(first), first["input"]) from error
