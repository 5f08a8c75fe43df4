"""`howfar matrix`: every dataset against every other."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table

if TYPE_CHECKING:
    from howfar.results.matrix import Matrix

SHOWN = 20


def matrix(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET", help=f"At least two. {options.DATASET}")],
    backbone: options.Backbone = "efficientnet_lite0",
    components: Annotated[int, typer.Option(help="Principal components kept.")] = 25,
    projection: Annotated[str, typer.Option(help="pair (each two in a space of their own), joint or none.")] = "pair",
    scale: Annotated[
        str, typer.Option(help="layers divides each layer of a feature by its own spread; none leaves it.")
    ] = "none",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pairs, figures and report; run again, it goes on where it was.")
    ] = None,
    store: options.Store = None,
    runner: options.Runner = "local",
    address: options.Address = None,
    device: options.Device = "auto",
    batch_size: options.FreeBatchSize = None,
    workers: options.Workers = None,
    memory: options.Memory = None,
    seed: Annotated[int, typer.Option(help="Seed of intervals, and of images drawn by --limit.")] = 0,
    bootstrap: Annotated[int, typer.Option(help="Resamples behind the intervals; 0 for none.")] = 0,
    limit: Annotated[int | None, typer.Option(help="At most this many images of each dataset, drawn with the seed.")] = None,
    weights: Annotated[list[str] | None, typer.Option(help=options.LOCAL)] = None,
    pool: options.Pool = None,
    fit: options.Fit = "stretch",
    via: options.Via = None,
    backbone_option: options.BackboneOption = None,
    json: options.Json = False,
) -> None:
    """Measure how far every DATASET is from every other."""
    from howfar.studies.matrix import matrix as measure

    options.prepare_folder("out", out)
    executor, device = options.placed(runner, workers, address, device)
    found = measure(
        datasets,
        backbone,
        out=out,
        store=store,
        runner=executor,
        batch_size=batch_size,
        workers=workers,
        memory=memory,
        components=components,
        projection=projection,
        scale=scale,
        seed=seed,
        bootstrap=bootstrap,
        limit=limit,
        **options.backbone_options(device, None, pool, fit, via, backbone_option),
        **options.local_weights(backbone, weights),
    )
    if json:
        typer.echo(jsonlib.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(found, out)


def show(found: Matrix, out: Path | None) -> None:
    """Print each dataset's nearest and farthest other, what was skipped, and where the report lies."""
    to = console()
    to.print(found.caption(), style="bold", markup=False)
    print_table(to, *found.table())
    for line in found.remarks():
        to.print(line, markup=False)
    for skipped in found.skipped[:SHOWN]:
        to.print(f"skipped: {skipped.path}: {skipped.reason}", markup=False, soft_wrap=True)
    if len(found.skipped) > SHOWN:
        to.print(f"skipped: {len(found.skipped) - SHOWN} more; all are in matrix.json", markup=False)
    if out is not None:
        to.print(f"report: {out / 'report.html'}", markup=False, soft_wrap=True)
