"""Define `BackboneFamily`, which registers backbones under a name with their options, description and files of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NoReturn, get_args

from howfar.errors import InputError, MissingPathError, option
from howfar.option_checks_and_signatures import refuse_unknown
from howfar.options import Engines, Fits, Floats
from howfar.protocols import Backbone


@dataclass(frozen=True)
class Card:
    """Describe a family for the list of ``howfar backbones``, without loading it.

    `length` is the feature's length q, None where it depends on the model; `input`, `weights` and `licence` are in words.
    `summary` is one line: what the feature is, or why the family cannot be loaded.
    """

    name: str
    length: int | None
    input: str
    weights: str
    licence: str
    summary: str


@dataclass(frozen=True)
class Options:
    """Hold the options of `howfar.load_backbone`; a family reads only the options in its `takes`."""

    device: str = "auto"
    weights: Path | None = None
    pretrained: bool = True
    pool: bool = True
    fit: Fits = "stretch"
    via: int | None = None
    model: str | None = None
    size: int | Sequence[int] | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    output: str | None = None
    prompt: str | None = None
    engine: Engines = "auto"
    precision: Floats = "32"
    channels: int = 3

    def __post_init__(self) -> None:
        for name, kind in (("fit", Fits), ("engine", Engines), ("precision", Floats)):
            if getattr(self, name) not in get_args(kind):
                raise InputError.of(name, f"must be one of {', '.join(get_args(kind))}", getattr(self, name))
        if self.via is not None and (isinstance(self.via, bool) or not isinstance(self.via, int) or self.via < 1):
            raise InputError.of("via", "must be a side in pixels, at least 1", self.via, "the paper's is 448")
        for name in ("pretrained", "pool"):
            if not isinstance(getattr(self, name), bool):
                raise InputError.of(name, "must be True or False", getattr(self, name))
        if not isinstance(self.device, str):
            raise InputError.of("device", "must be a name", self.device, "pass 'auto', 'cpu' or 'cuda'")
        if self.weights is not None and not self.weights.exists():
            raise MissingPathError(f"{option('weights')} must be a file or a folder, and {self.weights} is neither")
        if isinstance(self.channels, bool) or not isinstance(self.channels, int) or self.channels < 1:
            raise InputError.of("channels", "must be a number of bands, at least 1", self.channels)
        for name in ("output", "prompt"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise InputError.of(name, "must be text", value)
        if self.size is not None and not (_are(self.sides, int) and len(self.sides) == 2 and min(self.sides) >= 1):
            raise InputError.of("size", "must be a side in pixels, or a height and a width", self.size)
        for name, least in (("mean", -math.inf), ("std", 0.0)):
            value = getattr(self, name)
            if value is not None and not (
                _are(value, (int, float)) and len(value) in (3, self.channels) and min(value) > least
            ):
                raise InputError.of(name, f"must be three numbers{' above 0' if least == 0 else ''}", value)

    @property
    def sides(self) -> tuple[int, ...]:
        """Return (height, width) for `size`; empty if no size is given."""
        if isinstance(self.size, int):
            return (self.size, self.size)
        return tuple(self.size) if isinstance(self.size, (list, tuple)) else ()


@dataclass(frozen=True)
class Origin:
    """List the files that a backbone is loaded from, and the installed packages that affect its identity."""

    files: tuple[Path, ...]
    packages: tuple[str, ...]


def weights_origin(*packages: str) -> Callable[[Options], Origin | None]:
    """Make the origin of a family that reads a caller's file of weights; None for others, unknown before building."""

    def origin(options: Options) -> Origin | None:
        return Origin((options.weights,), packages) if options.weights is not None and options.weights.is_file() else None

    return origin


@dataclass(frozen=True)
class BackboneFamily:
    """Register a family of backbones under one name, in the registry or as an entry point.

    `build` makes the backbone; heavy libraries are imported inside it, not at the top of its file. `takes` are the fields
    of `Options` that it reads; any other that is set raises `InputError`. `defaults` are fields of `Options` whose default
    differs for this family (``{"pool": False}``, say); `folder` says whether `Options.weights` may be a folder. `origin`
    names the files and packages that the identity depends on beside the options, so that it can be known without building;
    it returns None where that cannot be said, and is None for a family that is always built.
    """

    card: Card
    build: Callable[[Options], Backbone]
    takes: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    folder: bool = False
    origin: Callable[[Options], Origin | None] | None = None

    def options(self, given: Mapping[str, Any]) -> Options:
        """Validate a caller's options for this family; raises `InputError`, or `MissingPathError` for `weights`."""
        standard = {entry.name: entry.default for entry in fields(Options)}
        refuse_unknown(given, standard)
        weights = given.get("weights")
        if weights is not None and not isinstance(weights, (str, Path)):
            raise InputError.of("weights", "must be a path", weights)
        options = Options(**{**self.defaults, **given, "weights": None if weights is None else Path(weights).expanduser()})
        for name, default in standard.items():
            # Every family runs on the CPU, so device="cpu" is fine for all.
            allowed = ("auto", "cpu") if name == "device" else (default, self.defaults.get(name, default))
            if name == "channels" and name not in self.takes and options.channels != default:
                some = "timm:NAME, pixels, colour_moments, a torch module or a function take others"
                raise InputError(f"{self.card.name} takes 3 bands, got {options.channels}: name three by --bands 3,2,1; {some}")
            if name not in self.takes and getattr(options, name) not in allowed:
                takes = ", ".join(entry for entry in self.takes if entry != "model") or "none"
                raise InputError(f"{self.card.name} takes no {name}, got {str(given[name])!r}: its options are {takes}")
        if options.weights is not None and options.weights.is_dir() and not self.folder:
            raise MissingPathError(f"{option('weights')} must be a file, and {options.weights} is a folder")
        return options


def _are(values: Any, kind: Any) -> bool:
    if not isinstance(values, (list, tuple)):
        return False
    return all(isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value) for value in values)


def _refuse(options: Options) -> NoReturn:
    raise InputError(
        "embeddings are given as datasets, not computed from images: pass the .npy or .parquet file in place of a folder"
    )


EMBEDDINGS: Final = BackboneFamily(
    Card(
        "embeddings",
        None,
        ".npy, .parquet",
        "yours",
        "yours",
        "ready-made features, passed as datasets, not image folders",
    ),
    _refuse,
)
