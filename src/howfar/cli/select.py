"""Choose which images to label, and write them as a list and as files for labelling tools (`howfar select`)."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, print_paths, print_result, say
from howfar.keywords import SelectOptions

if TYPE_CHECKING:
    from howfar.results import Selection


@options.command(SelectOptions)
def select(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `howfar compare --out` wrote.")],
    dataset: Annotated[str, typer.Option(metavar="NAME", help="Choose from this secondary dataset.")],
    k: Annotated[int, typer.Option("-k", help="Choose this many images.")],
    strategy: Annotated[
        str,
        typer.Option(
            help="Choose by far, near, random, stratified, kcenter, typiclust, kmedoids, probcover, kmeanspp, herding, "
            "uncertainty, flip_disagreement or foreground; the last three read --performance."
        ),
    ] = "far",
    labelled: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Leave out the images of this list: a name or path a line, or a table with image."),
    ] = None,
    performance: options.Performance = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write this folder; by default RUN/select-NAME.")] = None,
    json: options.Json = False,
    **chosen: Unpack[SelectOptions],
) -> None:
    """Choose K images of dataset NAME of RUN to label, and write the list, a contact sheet and files for labelling tools."""
    from howfar.studies.selection import select as study

    folder = out or run / f"select-{folder_name(dataset)}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        selection = study(run, dataset, k, strategy, labelled=labelled, performance=performance, out=folder, **chosen)
    remarks = tuple(str(warning.message) for warning in caught)
    if json:
        print_json(selection.to_dict())
        for remark in remarks:
            say(f"note: {remark}", err=True)
    else:
        show(selection, folder, remarks)


def folder_name(dataset: str) -> str:
    """Write the dataset's name as part of a folder's name.

    Examples
    --------
    >>> folder_name("roads"), folder_name("site a/2024")
    ('roads', 'site a-2024')
    """
    return re.sub(r"[/\\\0]", "-", dataset)


def show(selection: Selection, folder: Path, remarks: tuple[str, ...] = ()) -> None:
    """Print which images were chosen and why, what a reader should know, and where the files lie."""
    from howfar.report.selection import FILES

    to = print_result(selection)
    for line in (*selection.remarks(), *(f"note: {remark}" for remark in remarks)):
        to.print(line, markup=False)
    print_paths(to, {"list": folder / "chosen.txt"})
    others = [name for name in FILES[1:] if (folder / name).is_file()]
    to.print(f"beside it: {', '.join(others)}", markup=False, soft_wrap=True)
