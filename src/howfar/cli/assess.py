"""Answer what a model will score on new sites, how sure that is, why, and what to do next (`howfar assess`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_paths, print_remarks, print_table, tell_reading
from howfar.keywords import AssessOptions
from howfar.options import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from howfar.results.assessment import Assessment


@options.command(AssessOptions)
def assess(
    primary: Annotated[
        str, typer.Argument(metavar="PRIMARY", help=f"What the model was trained on, with masks or labels. {options.DATASET}")
    ],
    sites: Annotated[
        list[str],
        typer.Argument(metavar="SITE", help="New images, as many sites as you like; those with labels are learnt from."),
    ],
    model: Annotated[
        Path | None, typer.Option(metavar="CKPT", help="Predict by this checkpoint of `howfar train`, or an .onnx network.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Read maps in DIR/NAME of each dataset (DIR/NAME-flipped, DIR/NAME-tiled), or DIR/NAME.csv, .parquet, .json.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="RUN", help="Write this run folder; by default assess-PRIMARY.")
    ] = None,
    backbone: options.Backbone = DEFAULT_BACKBONE,
    json: options.Json = False,
    **chosen: Unpack[AssessOptions],
) -> None:
    """Say what a model will score on each SITE, how sure that is, why, and what to do next."""
    from howfar.cli.select import folder_name
    from howfar.data import parse
    from howfar.studies.assessment.assess import assess as study

    run = out or Path(f"assess-{folder_name(parse(primary).name)}")
    given: dict[str, Any] = {"model": model, "predictions": predictions, "backbone": backbone}
    assessment = study(primary, sites, run, **given, **chosen)
    tell_reading(assessment.reading)
    if json:
        print_json(assessment.to_dict())
    else:
        show(assessment, run / "report.html")


def show(assessment: Assessment, page: Path) -> None:
    """Print each site's answer with what to do next, warnings first, the numbers, the notes, and where the report lies."""
    to = console()
    to.print(assessment.caption(), style="bold", markup=False)
    if assessment.first:
        to.print(assessment.first, markup=False)
    for site in assessment.ordered():
        if site.measured is not None:
            to.print(f"{site.answer} Next: {site.next.text}", markup=False)
            continue
        to.print(site.answer, style="bold" if site.inside is False else None, markup=False)
        to.print(f"  Next: {site.next.text}", markup=False)
        to.print(f"    {site.next.command}", markup=False, soft_wrap=True)
    print_table(to, *assessment.table(), ("level",))
    print_remarks(to, [f"note: {note}" for note in assessment.notes])
    print_paths(to, {"report": page})
