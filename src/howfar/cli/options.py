"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from howfar.protocols import Runner as Runner_

DATASET = (
    "A folder of images (or with images/ inside), a CSV or Parquet table, .tar shards, Parquet with image bytes, a Hugging "
    "Face dataset (a saved folder, or hf://owner/name), the URL of any, .npy embeddings; NAME=PATH names it."
)
NEEDED = ("howfar.pipeline", "torch", "timm", "onnxruntime")
"""What takes a cluster's workers some seconds to load, which they have while the backbone is loaded here."""
NAMES = "Name from `howfar backbones`; timm:MODEL, transformers:MODEL, onnx:FILE."
LOCAL = "Local weights: a file, a folder in the hub's format, or the checkpoint of a segmenter."
Backbone = Annotated[str, typer.Option(help=NAMES)]
Weights = Annotated[Path | None, typer.Option(help=LOCAL)]
BackboneOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Of some: size, mean, std, output, prompt, engine, precision; repeat it."),
]
Pool = Annotated[
    bool | None,
    typer.Option("--pool/--no-pool", help="Pooled vector, or the flattened maps; else as is the backbone's way."),
]
Fit = Annotated[str, typer.Option(help="How pictures meet the model's square input: stretch, crop or pad.")]
Via = Annotated[int | None, typer.Option(help="Resize to this square first (448 gives the paper's two steps).")]
Store = Annotated[
    str | None,
    typer.Option(metavar="DIR|URL", help="Stored features: a folder, or s3://, gs://, az://; by default the user's cache."),
]
Runner = Annotated[str, typer.Option(help="Where the work is done: local, or ray (a cluster, or processes of this machine).")]
Address = Annotated[
    str | None, typer.Option(metavar="HOST:PORT|auto", help="Of a running Ray cluster; without it ray uses this machine.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
BatchSize = Annotated[int, typer.Option(help="Images at a time.")]
FreeBatchSize = Annotated[int | None, typer.Option(help="Images at a time; by default 16, on a GPU what fits.")]
Workers = Annotated[int | None, typer.Option(help="Batches at once; by default the cores at hand.")]
Memory = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="What howfar's own arrays may take, the network apart: 512MB, 2GB, 1.5GiB, bytes."),
]
Architecture = Annotated[
    list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="Of the architecture, as encoder=b3; repeat.")
]
Published = Annotated[
    str | None, typer.Option("--weights", metavar="FILE|none", help="Published weights from a local file, or none of them.")
]
Group = Annotated[
    str | None, typer.Option(help="Regular expression whose first group names the photograph: '(.+)-[0-9]+' for tiles.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]


def backbone_options(
    device: str, weights: Path | None, pool: bool | None, fit: str, via: int | None, beside: list[str] | None = None
) -> dict[str, Any]:
    """Keyword arguments of `howfar.load_backbone`; what the user left alone is left out.

    Raises
    ------
    InputError
        One of `beside` is not of the form NAME=VALUE, of another name, or no number where one is due.

    Examples
    --------
    >>> backbone_options("cpu", None, None, "stretch", 448, ["size=96,128", "prompt=a crack"])
    {'device': 'cpu', 'via': 448, 'size': (96, 128), 'prompt': 'a crack'}
    """
    given = {"device": device, "weights": weights, "pool": pool, "fit": fit, "via": via}
    defaults = {"device": "auto", "weights": None, "pool": None, "fit": "stretch", "via": None}
    chosen = {name: value for name, value in given.items() if value != defaults[name]}
    return chosen | {name: _value(name, value) for name, value in pairs("backbone_option", beside, "size=448")}


def placed(runner: str, workers: int | None, address: str | None, device: str) -> tuple[Runner_, str]:
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


def _value(name: str, text: str) -> Any:
    """The value of a backbone's further option from its text."""
    from howfar.errors import InputError

    kinds: dict[str, Any] = {"size": int, "mean": float, "std": float}
    kinds |= dict.fromkeys(("output", "prompt", "engine", "precision"))
    if name not in kinds:
        raise InputError.of("backbone_option", f"must be one of {', '.join(kinds)}", name)
    if kinds[name] is None:
        return text
    try:
        numbers = tuple(kinds[name](part) for part in text.split(","))
    except ValueError as error:
        example = "448 or 448,224" if name == "size" else "0.5,0.5,0.5"
        raise InputError.of(
            f"backbone_option {name}", "must be numbers with commas between them", text, f"write {example}"
        ) from error
    return numbers[0] if name == "size" and len(numbers) == 1 else numbers


def local_weights(backbone: str, given: list[str] | None) -> dict[str, Any]:
    """The keyword argument weights of one backbone, from an option that may be repeated; NAME=PATH serves too.

    Raises
    ------
    InputError
        It is given more than once.

    Examples
    --------
    >>> local_weights("clip", ["folder"]), local_weights("clip", ["clip=folder"]), local_weights("clip", None)
    ({'weights': PosixPath('folder')}, {'weights': PosixPath('folder')}, {})
    """
    from howfar.errors import InputError

    if not given:
        return {}
    if len(given) > 1:
        raise InputError.of("weights", "must be given once for one backbone", ", ".join(given))
    return {"weights": Path(given[0].removeprefix(f"{backbone}="))}


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
    from howfar.errors import InputError

    for one in given or ():
        if "=" not in one:
            raise InputError.of(option, "must be NAME=VALUE", one, f"write --{option.replace('_', '-')} {example}")
    return [(name, value) for name, _, value in (one.partition("=") for one in given or ())]


def architecture(given: list[str] | None) -> dict[str, Any]:
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


def pretrained(weights: str | None) -> bool | str:
    """What `--weights FILE|none` says of where a segmenter begins.

    Examples
    --------
    >>> pretrained(None), pretrained("none"), pretrained("b3.pth")
    (True, False, 'b3.pth')
    """
    return True if weights is None else False if weights == "none" else weights


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
    from howfar.io.location import ready_folder

    ready_folder(option, folder)
