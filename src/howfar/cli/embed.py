"""`howfar embed` fills the store ahead of time."""

from __future__ import annotations

from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json
from howfar.keywords import StoredEmbedOptions
from howfar.options import DEFAULT_BACKBONE


@options.command(StoredEmbedOptions)
def embed(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET", help=options.DATASET)],
    backbone: options.Backbone = DEFAULT_BACKBONE,
    json: options.Json = False,
    **chosen: Unpack[StoredEmbedOptions],
) -> None:
    """Compute the features of every DATASET and keep them in the store, where `compare` finds them."""
    from howfar.backbones import load_backbone
    from howfar.data import Dataset, parse
    from howfar.errors import InputError
    from howfar.keywords import BackboneOptions
    from howfar.memory import within
    from howfar.pipeline import embed_all
    from howfar.settings import checked, picked
    from howfar.store import Store

    parsed = [parse(dataset) for dataset in datasets]
    ready = [dataset.name for dataset in parsed if not isinstance(dataset, Dataset)]
    if ready:
        raise InputError.of(
            "datasets", "must hold images", f"embeddings: {', '.join(ready)}", "compare takes embeddings as they are"
        )
    model = load_backbone(backbone, **picked(BackboneOptions, chosen))
    given = checked(StoredEmbedOptions, chosen)
    store = Store(str(chosen["store"]) if "store" in chosen else None)
    with within(given["memory"]):
        features = [
            views[0] for views in embed_all(parsed, [model], store, given["runner"], given["batch_size"], given["workers"])
        ]
    if json:
        rows = [{"name": one.name, "n": len(one), "length": one.rows.shape[1]} for one in features]
        skipped = [{"dataset": bad.dataset, "path": bad.path, "reason": bad.reason} for one in features for bad in one.skipped]
        print_json({"backbone": model.name, "store": str(store.root), "datasets": rows, "skipped": skipped})
        return
    for one in features:
        typer.echo(f"{one.name}: {len(one)} images x {one.rows.shape[1]:,} features in {store.root}")
        for bad in one.skipped:
            typer.echo(f"skipped: {bad.path}: {bad.reason}")
