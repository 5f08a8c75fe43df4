"""`howfar profile` keeps what it takes to score new images without the primary's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import SHOWN, console, print_json, print_table
from howfar.keywords import ProfileOptions
from howfar.numbers import format_number
from howfar.options import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from howfar.pipeline.reference_profile import Profile
    from howfar.results import Judgement


@options.command(ProfileOptions)
def profile(
    primary: Annotated[str, typer.Argument(metavar="PRIMARY", help=f"What the model was trained on. {options.DATASET}")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Write this file, roads.howfar say.")],
    backbone: options.Backbone = DEFAULT_BACKBONE,
    labelled: Annotated[
        list[str] | None,
        typer.Option("--labelled", metavar="SET", help="Learn from this dataset whose performance is known; repeat it."),
    ] = None,
    performance: options.Performance = None,
    json: options.Json = False,
    **chosen: Unpack[ProfileOptions],
) -> None:
    """Keep in FILE all that it takes to score new images against PRIMARY, without its images: `howfar score FILE NEW...`.

    With labelled datasets and their performance, scores predict whether the model will fail.
    """
    from howfar.pipeline.profile_file import document
    from howfar.studies.profile import profile as study

    options.prepare_folder("out", out.absolute().parent)
    made = study(primary, backbone, labelled=labelled or None, performance=performance or None, **chosen)
    made.save(out)
    if json:
        print_json(document(made))
    else:
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
