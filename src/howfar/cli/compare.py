"""`howfar compare`: the main job."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table

if TYPE_CHECKING:
    from howfar.results import Comparison
    from howfar.results.backbones import BackboneComparison

SHOWN = 20
# What a narrow terminal does without: the numbers that cannot be compared between secondaries come first.
WIDE = ("O^dist (sum)", "O^dist (mean)", "row-scaled", "expl. var.")


def compare(
    primary: Annotated[str, typer.Argument(metavar="PRIMARY", help=f"What the model was trained on. {options.DATASET}")],
    secondaries: Annotated[list[str], typer.Argument(metavar="SECONDARY", help="Images it has not seen; as many as you like.")],
    backbone: Annotated[list[str] | None, typer.Option(help=f"{options.NAMES} Repeat it to set several side by side.")] = None,
    components: Annotated[int, typer.Option(help="Principal components kept.")] = 25,
    projection: Annotated[str, typer.Option(help="pair (the paper), primary, joint or none.")] = "pair",
    scale: Annotated[
        str, typer.Option(help="layers divides each layer of a feature by its own spread; none leaves it.")
    ] = "none",
    out: Annotated[Path | None, typer.Option(help="Run folder to write: result, tables, figures, report.")] = None,
    store: options.Store = None,
    runner: options.Runner = "local",
    address: options.Address = None,
    device: options.Device = "auto",
    batch_size: options.FreeBatchSize = None,
    workers: options.Workers = None,
    memory: options.Memory = None,
    seed: Annotated[int, typer.Option(help="Seed of intervals and p-values.")] = 0,
    bootstrap: Annotated[int, typer.Option(help="Resamples behind the intervals; 0 for none.")] = 1000,
    permutations: Annotated[int, typer.Option(help="Relabellings behind the p-values; 0 for none.")] = 999,
    neighbours: Annotated[int, typer.Option(help="k of the nearest-neighbour distance.")] = 5,
    limit: Annotated[int | None, typer.Option(help="At most this many images of each dataset, drawn with the seed.")] = None,
    rivals: Annotated[bool, typer.Option(help="Measure the literature's dataset distances too: slow for large sets.")] = True,
    baselines: Annotated[bool, typer.Option(help="Run the two trivial backbones beside the model.")] = True,
    weights: Annotated[list[str] | None, typer.Option(help=f"{options.LOCAL} With several backbones NAME=PATH.")] = None,
    pool: options.Pool = None,
    fit: options.Fit = "stretch",
    via: options.Via = None,
    backbone_option: options.BackboneOption = None,
    json: options.Json = False,
) -> None:
    """Measure how far each SECONDARY dataset is from PRIMARY."""
    options.prepare_folder("out", out)
    executor, device = options.placed(runner, workers, address, device)
    names = list(dict.fromkeys(backbone or ["efficientnet_lite0"]))
    work: dict[str, Any] = {
        "components": components,
        "projection": projection,
        "scale": scale,
        "store": store,
        "runner": executor,
        "batch_size": batch_size,
        "workers": workers,
        "memory": memory,
        "baselines": baselines,
        "seed": seed,
        "bootstrap": bootstrap,
        "permutations": permutations,
        "neighbours": neighbours,
        "limit": limit,
        "rivals": rivals,
        "out": out,
        **options.backbone_options(device, None, pool, fit, via, backbone_option),
    }
    found: Comparison | BackboneComparison
    if len(names) > 1:
        from howfar.studies.backbones import compare_backbones

        found = compare_backbones(
            primary, secondaries, names, weights=dict(options.pairs("weights", weights, "dinov2=FOLDER")), **work
        )
    else:
        from howfar.studies.distance import compare as measure

        found = measure(primary, secondaries, names[0], **work, **options.local_weights(names[0], weights))
    if json:
        typer.echo(jsonlib.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(found, out)


def show(found: Comparison | BackboneComparison, out: Path | None) -> None:
    """Print the table of a comparison, what was skipped, and where its report lies."""
    to = console()
    to.print(found.caption(), style="bold", markup=False)
    print_table(to, *found.table(), optional=WIDE)
    for line in found.remarks():
        to.print(line, markup=False)
    for skipped in found.skipped[:SHOWN]:
        to.print(f"skipped: {skipped.path}: {skipped.reason}", markup=False, soft_wrap=True)
    if len(found.skipped) > SHOWN:
        to.print(f"skipped: {len(found.skipped) - SHOWN} more; all are in result.json and the report", markup=False)
    if out is not None:
        to.print(f"report: {out / 'report.html'}", markup=False, soft_wrap=True)
