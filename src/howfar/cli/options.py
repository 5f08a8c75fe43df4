"""Options that several commands share, each declared once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

Backbone = Annotated[str, typer.Option(help="Name from `howfar backbones`; `timm:MODEL` for any timm model.")]
Weights = Annotated[Path | None, typer.Option(help="Local weights of a timm model (.safetensors or .pth).")]
Pool = Annotated[bool, typer.Option("--pool/--no-pool", help="Pooled vector, or the flattened final map.")]
Fit = Annotated[str, typer.Option(help="How pictures meet the model's square input: stretch, crop or pad.")]
Via = Annotated[int | None, typer.Option(help="Resize to this square first (448 gives the paper's two steps).")]
Store = Annotated[Path | None, typer.Option(help="Folder of stored features; by default the user's cache.")]
Runner = Annotated[str, typer.Option(help="Where the work is done: local.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
BatchSize = Annotated[int, typer.Option(help="Images at a time.")]
Workers = Annotated[int | None, typer.Option(help="Batches at once; by default the cores at hand.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]


def backbone_options(device: str, weights: Path | None, pool: bool, fit: str, via: int | None) -> dict[str, Any]:
    """Keyword arguments of `howfar.load_backbone`; what the user left alone is left out.

    Examples
    --------
    >>> backbone_options("cpu", None, True, "stretch", 448)
    {'device': 'cpu', 'via': 448}
    """
    given = {"device": device, "weights": weights, "pool": pool, "fit": fit, "via": via}
    defaults = {"device": "auto", "weights": None, "pool": True, "fit": "stretch", "via": None}
    return {name: value for name, value in given.items() if value != defaults[name]}


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
