"""Take labels back from labelling tools (`howfar labels import`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, show
from howfar.keywords import LabelImportOptions

Action = Literal["import"]
_FILE = "A file that COCO (.json), CVAT (.xml, .zip) or Label Studio (.json) exported, or a folder of masks."
_IMAGES = "The images that were labelled: the folder that `howfar select` wrote, its chosen.csv, or a dataset."


@options.command(LabelImportOptions)
def labels(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="import: write a dataset of the labels in FILE.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_FILE)],
    images: Annotated[str, typer.Option(metavar="DATASET", help=_IMAGES)],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write the labels into this new or empty folder.")],
    json: options.Json = False,
    **chosen: Unpack[LabelImportOptions],
) -> None:
    """Import labels that a tool exported, as a dataset that evaluate, train --add, adapt and certify take."""
    from howfar.studies.label_import.import_labels import import_labels
    from howfar.studies.label_import.write import BOXES, TABLE

    done = import_labels(file, images, out, **chosen)
    if json:
        print_json(done.to_dict())
    else:
        boxes = {"boxes": out / BOXES} if done.task == "detection" else {}
        show(done, {"dataset": out / TABLE, **boxes})
