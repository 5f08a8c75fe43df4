"""Hand out a sample to be labelled: a list, a contact sheet, and files for labelling tools that begin with the model's maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace as with_changes
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howfar.figures.contact_sheet import Cell, sheet
from howfar.figures.style import name_text
from howfar.io.atomic import replace, replace_text
from howfar.report.selection import as_picture, guarded, write_for_tools, write_list_file
from howfar.report.svg import save
from howfar.results.certificate import Certificate

MASKS = "masks"
HINT = (
    "Put one mask here for each image of ../chosen.txt, in that order: a PNG with the image's name and size, 255 for "
    "foreground and 0 for the rest, all 0 where there is none. Then run the same howfar certify again.\n"
)


def write_to_label(
    certificate: Certificate, foregrounds: Mapping[str, Callable[[], NDArray[np.bool_]]], folder: Path
) -> tuple[str, ...]:
    """Write what it takes to label a sample into a folder, and return what could not be written of it, as sentences.

    `foregrounds` return what the model takes for foreground in each image, (h, w), by the image's name. They stand in the files
    for labelling tools as labels to correct. Images are pointed to, never copied.
    """
    (folder / MASKS).mkdir(parents=True, exist_ok=True)
    replace_text(folder / MASKS / "README.txt", HINT)
    remarks = write_list(certificate, folder)
    read = [as_picture(one.image, one.path) for one in certificate.sample]
    begun = [(with_changes(picture, foreground=foregrounds[picture.name]), why) for picture, why in read]
    return (*remarks, *write_for_tools(begun, f"{certificate.dataset}, drawn to certify", folder))


def write_list(certificate: Certificate, folder: Path) -> tuple[str, ...]:
    """Write the drawn images as a list, as a table, and as a contact sheet, and return what the list cannot hold."""
    replace(folder / "chosen.csv", partial(_table, certificate))
    replace(folder / "contact_sheet.png", partial(_draw, certificate))
    return tuple(write_list_file([one.path for one in certificate.sample], folder))


def _table(certificate: Certificate, path: Path) -> None:
    """Write the sample as a table; `image` is the file, so that it is a dataset too."""
    frame = certificate.to_frame().rename(columns={"image": "name", "path": "image", "proxy": "predicted"})
    guarded(frame[["image", "rank", "predicted", "stratum", "probability", "name"]]).to_csv(path, index=False)


def _draw(certificate: Certificate, path: Path) -> None:
    cells = [
        Cell(one.image, one.path, f"{one.rank} · {'–' if one.proxy is None else format(one.proxy, '.2f')}")
        for one in certificate.sample
    ]
    title = f"{len(cells)} of {certificate.n:,} images of {name_text(certificate.dataset)}, drawn at random"
    save(sheet(cells, title, "place in the order of labelling · predicted performance (0–1)"), path, "png")
