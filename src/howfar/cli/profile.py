"""`howfar profile`: what it takes to score new images without the primary's."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table
from howfar.numbers import format_number

if TYPE_CHECKING:
    from howfar.pipeline.profile import Profile
    from howfar.results import Judgement

SHOWN = 20


def profile(
    primary: Annotated[str, typer.Argument(metavar="PRIMARY", help=f"What the model was trained on. {options.DATASET}")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write, roads.howfar say.")],
    backbone: options.Backbone = "efficientnet_lite0",
    components: Annotated[int, typer.Option(help="Principal components kept.")] = 25,
    scale: Annotated[
        str, typer.Option(help="layers divides each layer of a feature by its own spread; none leaves it.")
    ] = "none",
    neighbours: Annotated[int, typer.Option(help="k of the nearest-neighbour distance.")] = 5,
    labelled: Annotated[
        list[str] | None,
        typer.Option("--labelled", metavar="SET", help="A secondary dataset whose performance is known; repeat."),
    ] = None,
    performance: Annotated[
        list[Path] | None,
        typer.Option(
            "--performance", metavar="FILE", help="What `howfar evaluate -o` wrote, or a table with image, performance; repeat."
        ),
    ] = None,
    tau: Annotated[float, typer.Option(help="Performance below which an image counts as failed.")] = 0.5,
    level: Annotated[float, typer.Option(help="Level of the conformal intervals.")] = 0.9,
    threshold: Annotated[
        float | None, typer.Option(help="Common threshold; by default PRIMARY's where it was evaluated, else 0.5.")
    ] = None,
    group: options.Group = None,
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
    """Keep in FILE all that it takes to score new images against PRIMARY, without its images: `howfar score FILE NEW...`.

    With labelled datasets and their performance, scores predict whether the model will fail.
    """
    from howfar.pipeline.profile_file import document
    from howfar.studies.profile import profile as study

    options.prepare_folder("out", out.absolute().parent)
    executor, device = options.placed(runner, workers, address, device)
    made = study(
        primary,
        backbone,
        components=components,
        scale=scale,
        neighbours=neighbours,
        store=store,
        runner=executor,
        batch_size=batch_size,
        workers=workers,
        memory=memory,
        labelled=labelled or None,
        performance=performance or None,
        tau=tau,
        level=level,
        threshold=threshold,
        group=group,
        **options.backbone_options(device, weights, pool, fit, via, backbone_option),
    )
    made.save(out)
    if json:
        typer.echo(jsonlib.dumps(document(made), ensure_ascii=False, allow_nan=False))
        return
    show(made, out)


def show(made: Profile, out: Path) -> None:
    """Print what a profile holds, how its estimators were judged, and where it lies."""
    to = console()
    to.print(repr(made), markup=False, soft_wrap=True)
    if made.expected is not None and made.expected.judgements:
        header = ("estimator", "kind", "sets", "images", "MAE (image)", "MAE (set)", "coverage", "AUROC", "AURC")
        print_table(to, header, [_cells(one) for one in made.expected.judgements], optional=("AURC", "kind"))
    for one in made.skipped[:SHOWN]:
        to.print(f"skipped: {one.path}: {one.reason}", markup=False, soft_wrap=True)
    to.print(f"profile: {out}", markup=False, soft_wrap=True)


def _cells(one: Judgement) -> tuple[str, ...]:
    numbers = (one.mae_image, one.mae_set, one.coverage, one.auroc, one.aurc)
    return (one.estimator, one.kind, str(one.sets), str(one.images), *(format_number(value, 3) for value in numbers))
