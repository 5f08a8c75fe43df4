"""Compute features of datasets and keep them in the store ahead of time (`howfar embed`)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, say
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
    from howfar.backbones import as_backbone
    from howfar.data import Dataset, each_dataset, parse
    from howfar.errors import InputError
    from howfar.keywords import BackboneOptions
    from howfar.memory import within
    from howfar.pipeline import embed_all
    from howfar.settings import checked, picked
    from howfar.store import Store

    given = checked(StoredEmbedOptions, chosen)
    with within(given["memory"]):
        parsed = [parse(dataset, name, unnamed) for name, unnamed, dataset in each_dataset(datasets, "dataset")]
    ready = [dataset.name for dataset in parsed if not isinstance(dataset, Dataset)]
    if ready:
        remedy = "compare takes embeddings as they are"
        raise InputError.of("datasets", "must hold images", f"embeddings: {', '.join(ready)}", remedy)
    model = as_backbone(backbone, picked(BackboneOptions, chosen))
    store = Store(str(chosen["store"]) if "store" in chosen else None)
    with within(given["memory"]):
        features = [
            views[0] for views in embed_all(parsed, [model], store, given["runner"], given["batch_size"], given["workers"])
        ]
    notes = list(dict.fromkeys(note for dataset in features for note in dataset.notes))
    if json:
        rows = [{"name": dataset.name, "n": len(dataset), "length": dataset.rows.shape[1]} for dataset in features]
        skipped = [asdict(file) for dataset in features for file in dataset.skipped]
        print_json({"backbone": model.name, "store": str(store.root), "datasets": rows, "skipped": skipped, "notes": notes})
        return
    for dataset in features:
        say(f"{dataset.name}: {len(dataset)} images x {dataset.rows.shape[1]:,} features in {store.root}")
        for file in dataset.skipped:
            say(f"skipped: {file.path}: {file.reason}")
    for note in notes:
        say(note)
