"""Options that several commands share, each declared once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

Backbone = Annotated[str, typer.Option(help="Name from `howfar backbones`; `timm:MODEL` for any timm model.")]
Weights = Annotated[
    Path | None, typer.Option(help="Local weights of a timm model (.safetensors or .pth), or the checkpoint of a segmenter.")
]
Pool = Annotated[
    bool | None,
    typer.Option("--pool/--no-pool", help="Pooled vector, or the flattened maps; else as is the backbone's way."),
]
Fit = Annotated[str, typer.Option(help="How pictures meet the model's square input: stretch, crop or pad.")]
Via = Annotated[int | None, typer.Option(help="Resize to this square first (448 gives the paper's two steps).")]
Store = Annotated[Path | None, typer.Option(help="Folder of stored features; by default the user's cache.")]
Runner = Annotated[str, typer.Option(help="Where the work is done: local.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
BatchSize = Annotated[int, typer.Option(help="Images at a time.")]
Workers = Annotated[int | None, typer.Option(help="Batches at once; by default the cores at hand.")]
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


def backbone_options(device: str, weights: Path | None, pool: bool | None, fit: str, via: int | None) -> dict[str, Any]:
    """Keyword arguments of `howfar.load_backbone`; what the user left alone is left out.

    Examples
    --------
    >>> backbone_options("cpu", None, None, "stretch", 448)
    {'device': 'cpu', 'via': 448}
    """
    given = {"device": device, "weights": weights, "pool": pool, "fit": fit, "via": via}
    defaults = {"device": "auto", "weights": None, "pool": None, "fit": "stretch", "via": None}
    return {name: value for name, value in given.items() if value != defaults[name]}


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
    from howfar.errors import InputError

    found: dict[str, Any] = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals:
            raise InputError.of("option", "must be NAME=VALUE", one, "write --option encoder=b3")
        found[name] = int(value) if value.isdigit() else value
    return found


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
    if folder is None:
        return
    from howfar.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError.of(option, f"must be a folder that can be made ({reason})", str(folder), "name another") from error
    if not os.access(folder, os.W_OK):
        raise InputError.of(option, "must be a folder that can be written to", str(folder), "name another")
