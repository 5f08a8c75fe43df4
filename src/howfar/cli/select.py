"""`howfar select`: which images to label, as a list and as files for labelling tools."""

from __future__ import annotations

import json as jsonlib
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_table

if TYPE_CHECKING:
    from howfar.results import Selection


def select(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `howfar compare --out` wrote.")],
    dataset: Annotated[str, typer.Option(metavar="NAME", help="The secondary dataset to choose from.")],
    k: Annotated[int, typer.Option("-k", help="Images to choose.")],
    strategy: Annotated[
        str,
        typer.Option(
            help="far, near, random, stratified, kcenter, typiclust, kmedoids, probcover, kmeanspp, herding, uncertainty, "
            "flip_disagreement or foreground."
        ),
    ] = "far",
    labelled: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Images that have labels already: one name or path a line, or a table with image."),
    ] = None,
    performance: Annotated[
        list[Path] | None,
        typer.Option(
            "--performance", metavar="FILE", help="What `howfar evaluate -o` wrote, for the last three strategies; repeat."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write; by default RUN/select-NAME.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    json: options.Json = False,
) -> None:
    """Choose K images of dataset NAME of RUN to label, and write the list, a contact sheet and files for labelling tools."""
    from howfar.studies.selection import select as study

    folder = out or run / f"select-{folder_name(dataset)}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = study(run, dataset, k, strategy, labelled=labelled, performance=performance, seed=seed, out=folder)
    remarks = tuple(str(warning.message) for warning in caught)
    if json:
        typer.echo(jsonlib.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
        for remark in remarks:
            typer.echo(f"note: {remark}", err=True)
    else:
        show(found, folder, remarks)


def folder_name(dataset: str) -> str:
    """The dataset's name as part of a folder's name.

    Examples
    --------
    >>> folder_name("roads"), folder_name("site a/2024")
    ('roads', 'site a-2024')
    """
    return re.sub(r"[/\\\0]", "-", dataset)


def show(found: Selection, folder: Path, remarks: tuple[str, ...] = ()) -> None:
    """Print which images were chosen and why, what a reader should know, and where the files lie."""
    from howfar.report.selection import FILES

    to = console()
    to.print(found.caption(), style="bold", markup=False)
    print_table(to, *found.table())
    for note in (*found.notes, *remarks):
        to.print(f"note: {note}", markup=False)
    to.print(f"list: {folder / 'chosen.txt'}", markup=False, soft_wrap=True)
    others = [name for name in FILES[1:] if (folder / name).is_file()]
    to.print(f"beside it: {', '.join(others)}", markup=False, soft_wrap=True)
