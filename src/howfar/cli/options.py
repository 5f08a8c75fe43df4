"""Make a command's parameters of the options that a Python function takes, and turn what was written into its keywords."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar, cast, get_origin

import typer

from howfar import registry
from howfar.errors import InputError
from howfar.options import FOLDED, HIDDEN, Option
from howfar.settings import declared

if TYPE_CHECKING:
    from howfar.protocols import Runner

Command = TypeVar("Command", bound=Callable[..., None])
Written = Mapping[str, Any]
DATASET = (
    "A folder of images (or with images/ inside), a CSV or Parquet table, .tar shards, Parquet with image bytes, a Hugging "
    "Face dataset (a saved folder, or hf://owner/name), the URL of any, .npy embeddings; NAME=PATH names it."
)
NEEDED = ("howfar.pipeline", "torch", "timm", "onnxruntime")
"""What takes a cluster's workers some seconds to load, which they have while the backbone is loaded here."""
BACKBONE = "Measure by this one of `howfar backbones`, or by timm:MODEL, transformers:MODEL or onnx:FILE."
Backbone = Annotated[str, typer.Option(help=BACKBONE)]
Segmenter = Annotated[str, typer.Option(help="Train this segmenter: unetplusplus, deepcrack or adsam.")]
RepeatedWeights = Annotated[
    list[str] | None,
    typer.Option(
        help="Read local weights: a file, a folder in the hub's format, a segmenter's checkpoint; NAME=PATH for several."
    ),
]
Performance = Annotated[
    list[Path] | None,
    typer.Option("--performance", metavar="FILE", help="Read what `howfar evaluate -o` wrote, or a table image, performance."),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
_ADDRESS = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT|auto", help="Compute on the Ray cluster that runs there; by default ray uses this machine."
    ),
]
_FOLDED = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE", help="Set size, mean, std, output, prompt, engine or precision of some backbones; repeat it."
    ),
]


class _Shape(NamedTuple):
    """How the command line shows the default of an option whose Python value is of another form, and reads what was written."""

    shown: Callable[[Any], Any]
    read: Callable[[Any, Written], Any]


_SHAPES: Mapping[str, _Shape] = {
    "shots": _Shape(
        lambda shots: ",".join(map(str, shots)), lambda text, _: [count for count in numbers("shots", text) if count]
    ),
    "background_shots": _Shape(lambda shots: ",".join(map(str, shots)), lambda text, _: numbers("background_shots", text)),
    "seeds": _Shape(len, lambda count, _: range(count)),
    "random_seeds": _Shape(len, lambda count, written: range(written["seeds"], written["seeds"] + count)),
    "strategies": _Shape(lambda _: None, lambda names, _: registry.names("strategies") if names == ["all"] else names),
    "start": _Shape(lambda _: False, lambda tuned, _: "tuned" if tuned else "anew"),
    "options": _Shape(lambda _: None, lambda given, _: architecture(given)),
    "pretrained": _Shape(lambda _: None, lambda weights, _: False if weights == "none" else weights),
}
_AS_IT_IS = _Shape(lambda default: default, lambda value, _: value)


def command(keywords: type) -> Callable[[Command], Command]:
    """Give a command the options of `keywords`; it is called with those that differ from their defaults, in Python's form."""
    options = declared(keywords)
    plain = {name: found for name, found in options.items() if found.option.flags not in (HIDDEN, FOLDED)}
    folded = [name for name, found in options.items() if found.option.flags == FOLDED]
    beside = {"address": _ADDRESS} if "runner" in options else {}
    beside |= {"backbone_option": _FOLDED} if folded else {}

    def made(function: Command) -> Command:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[:-1]
        parameters = [*own, *(_parameter(name, *found) for name, found in plain.items())]
        parameters += [_named(name, kind, None) for name, kind in beside.items()]
        defaults = {one.name: one.default for one in parameters}

        @wraps(function)
        def call(**written: Any) -> None:
            values = {
                name: _SHAPES.get(name, _AS_IT_IS).read(written[name], written)
                for name in plain
                if written[name] is not None and written[name] != defaults[name]
            }
            values |= _unfolded(written.get("backbone_option"), folded)
            if "runner" in plain:
                values["runner"], device = placed(*(written[name] for name in ("runner", "workers", "address", "device")))
                values |= {} if device == defaults["device"] else {"device": device}
            function(**{one.name: written[one.name] for one in own}, **values)

        parameters.sort(key=lambda one: one.name == "json")
        call.__signature__ = inspect.Signature([one.replace(kind=one.KEYWORD_ONLY) for one in parameters])  # type: ignore[attr-defined]  # PEP 362
        return cast("Command", call)

    return made


def _parameter(name: str, kind: Any, option: Option) -> inspect.Parameter:
    """An option as typer reads it."""
    text = option.text or (str if get_origin(kind) is Literal else kind)
    help_text = option.help.removesuffix(".") + ("; repeat it." if text == list[str] else ".")
    default = _SHAPES.get(name, _AS_IT_IS).shown(option.default)
    shown = typer.Option(*option.flags, metavar=option.metavar, help=help_text)
    return _named(name, Annotated[text | None if default is None else text, shown], default)


def _named(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def placed(runner: str, workers: int | None, address: str | None, device: str) -> tuple[Runner, str]:
    """The runner, and the device of the backbone here: with Ray's GPUs it is moved there by the workers, and waits on the CPU.

    Raises
    ------
    HowfarError
        As `howfar.runners.make_runner`.

    Examples
    --------
    >>> placed("local", 2, None, "auto")
    (LocalRunner(workers=2), 'auto')
    """
    from howfar.runners import RayRunner, make_runner

    tasks_on = device
    if runner == "ray" and device == "auto":
        import torch

        tasks_on = "cuda" if torch.cuda.is_available() else "cpu"
    made = make_runner(runner, workers, address, tasks_on)
    if isinstance(made, RayRunner):
        made.begin(NEEDED)
    return made, "cpu" if getattr(made, "gpus", 0) else device


def _unfolded(given: list[str] | None, names: Sequence[str]) -> dict[str, Any]:
    """Options of a backbone that were written as NAME=VALUE, numbers as numbers."""
    return {name: _unfolded_value(name, text, names) for name, text in pairs("backbone_option", given, "size=448")}


def _unfolded_value(name: str, text: str, names: Sequence[str]) -> Any:
    if name not in names:
        raise InputError.of("backbone_option", f"must be one of {', '.join(names)}", name)
    if name not in ("size", "mean", "std"):
        return text
    try:
        values = tuple((int if name == "size" else float)(part) for part in text.split(","))
    except ValueError as error:
        example = "448 or 448,224" if name == "size" else "0.5,0.5,0.5"
        raise InputError.of(
            f"backbone_option {name}", "must be numbers with commas between them", text, f"write {example}"
        ) from error
    return values[0] if name == "size" and len(values) == 1 else values


def local_weights(backbone: str, given: list[str] | None) -> Path | None:
    """The local weights of one backbone, from an option that may be repeated; NAME=PATH serves too.

    Raises
    ------
    InputError
        It is given more than once.

    Examples
    --------
    >>> local_weights("clip", ["folder"]), local_weights("clip", ["clip=folder"]), local_weights("clip", None)
    (PosixPath('folder'), PosixPath('folder'), None)
    """
    if given and len(given) > 1:
        raise InputError.of("weights", "must be given once for one backbone", ", ".join(given))
    return Path(given[0].removeprefix(f"{backbone}=")) if given else None


def pairs(option: str, given: list[str] | None, example: str) -> list[tuple[str, str]]:
    """Names and values of an option that is repeated as NAME=VALUE.

    Raises
    ------
    InputError
        One is not of that form.

    Examples
    --------
    >>> pairs("option", ["encoder=b3"], "width=4")
    [('encoder', 'b3')]
    """
    for text in given or ():
        if "=" not in text:
            raise InputError.of(option, "must be NAME=VALUE", text, f"write --{option.replace('_', '-')} {example}")
    return [(name, value) for name, _, value in (text.partition("=") for text in given or ())]


def architecture(given: list[str] | None) -> dict[str, int | str]:
    """Options of a segmenter's architecture from the command line; whole numbers become numbers.

    Raises
    ------
    InputError
        One is not of the form NAME=VALUE.

    Examples
    --------
    >>> architecture(["encoder=b3", "width=16"])
    {'encoder': 'b3', 'width': 16}
    """
    return {name: int(value) if value.isdigit() else value for name, value in pairs("option", given, "encoder=b3")}


def numbers(option: str, text: str) -> list[int]:
    """Whole numbers that were written with commas between them.

    Raises
    ------
    InputError
        One of them is no whole number.

    Examples
    --------
    >>> numbers("shots", "0,1,3")
    [0, 1, 3]
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise InputError.of(option, "must be whole numbers with commas between them", text, "write 1,3,7")
    return [int(part) for part in parts]


def prepare_folder(option: str, folder: Path | None) -> None:
    """Make the folder that results are to go to, before any work is done.

    Raises
    ------
    InputError
        It cannot be made, is no folder, or must not be written to.

    Examples
    --------
    >>> prepare_folder("out", None)
    """
    from howfar.results.files import ready_folder

    ready_folder(option, folder)
