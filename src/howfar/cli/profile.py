"""Save a profile of a primary dataset in one file, to score new images without its images (`howfar profile`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import judgement_table, options
from howfar.cli.terminal import SHOWN, console, print_json, print_paths, print_skipped, print_table
from howfar.errors import InputError
from howfar.keywords import ProfileOptions
from howfar.options import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from howfar.pipeline.reference_profile import Profile


ENDING = ".howfar"


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

    if out.suffix.lower() != ENDING:
        raise InputError.of("out", f"must end in {ENDING}", str(out), "so that no other file is written over")
    options.prepare_file("out", out)
    reference = study(primary, backbone, labelled=labelled or None, performance=performance or None, **chosen)
    reference.save(out)
    if json:
        print_json(document(reference))
    else:
        _show(reference, out)


def _show(reference: Profile, out: Path) -> None:
    """Print what a profile holds, how its estimators were judged, and where it lies."""
    to = console()
    for line in repr(reference).split("\n"):
        to.print(line, markup=False, soft_wrap=True)
    if reference.judge is not None and reference.judge.judgements:
        judge = reference.judge
        to.print()
        to.print(judgement_table.title(judge.threshold), style="bold", markup=False)
        print_table(
            to,
            judgement_table.HEADER,
            judgement_table.rows(judge.judgements, judge.order[0]),
            judgement_table.OPTIONAL,
        )
    print_skipped(to, reference.skipped[:SHOWN], "")
    print_paths(to, {"profile": out})
