"""`howfar embed`: fill the store ahead of time."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer

from howfar.cli import options


def embed(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET", help=options.DATASET)],
    backbone: options.Backbone = "efficientnet_lite0",
    store: options.Store = None,
    runner: options.Runner = "local",
    address: options.Address = None,
    device: options.Device = "auto",
    batch_size: options.FreeBatchSize = None,
    workers: options.Workers = None,
    memory: options.Memory = None,
    weights: options.Weights = None,
    pool: options.Pool = None,
    fit: options.Fit = "stretch",
    via: options.Via = None,
    backbone_option: options.BackboneOption = None,
    json: options.Json = False,
) -> None:
    """Compute the features of every DATASET and keep them in the store, where `compare` finds them."""
    from howfar.backbones import load_backbone
    from howfar.data import Dataset, parse
    from howfar.errors import InputError
    from howfar.memory import within
    from howfar.pipeline import embed_all
    from howfar.store import Store

    parsed = [parse(dataset) for dataset in datasets]
    ready = [one.name for one in parsed if not isinstance(one, Dataset)]
    if ready:
        raise InputError.of(
            "datasets", "must hold images", f"embeddings: {', '.join(ready)}", "compare takes embeddings as they are"
        )
    executor, device = options.placed(runner, workers, address, device)
    model = load_backbone(backbone, **options.backbone_options(device, weights, pool, fit, via, backbone_option))
    shelf = Store(store)
    with within(memory):
        features = [views[0] for views in embed_all(parsed, [model], shelf, executor, batch_size, workers)]
    if json:
        rows = [{"name": one.name, "n": len(one), "length": one.rows.shape[1]} for one in features]
        skipped = [{"dataset": bad.dataset, "path": bad.path, "reason": bad.reason} for one in features for bad in one.skipped]
        document = {"backbone": model.name, "store": str(shelf.root), "datasets": rows, "skipped": skipped}
        typer.echo(jsonlib.dumps(document, ensure_ascii=False))
        return
    for one in features:
        typer.echo(f"{one.name}: {len(one)} images x {one.rows.shape[1]:,} features in {shelf.root}")
        for bad in one.skipped:
            typer.echo(f"skipped: {bad.path}: {bad.reason}")
