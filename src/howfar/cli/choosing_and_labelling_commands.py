"""Look at images, choose some to label, import labels, serve Label Studio (`howfar select explore labels prelabel`)."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

import typer

from howfar.cli import flags
from howfar.cli.flags import argument, switch, value
from howfar.cli.printing import answer, print_json, print_paths, print_remarks, print_result, say, show
from howfar.errors import InputError
from howfar.options_by_function import LabelImportOptions, PageOptions, SelectOptions

if TYPE_CHECKING:
    from howfar.results import Selection


STRATEGY = "Choose by a strategy of `howfar strategies`; auto: random, which none has been shown to beat."
PREDICTIONS = "Hand over these maps, boxes (.json) or classes (.csv) as first labels; by default the maps that relate read."


@flags.command(SelectOptions)
def select(
    run: Annotated[Path, argument("RUN", "A folder that `howfar compare --out` wrote.")],
    dataset: Annotated[str | None, value("NAME", "Choose from this secondary dataset.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="Choose this many images.")] = None,
    strategy: Annotated[str, value("NAME", STRATEGY)] = "auto",
    predictions: Annotated[Path | None, value("DIR|FILE", PREDICTIONS)] = None,
    labelled: Annotated[Path | None, value("FILE", "Leave out the images of this list or table with column image.")] = None,
    performance: flags.Performance = None,
    picked: Annotated[bool, switch("--picked", "Hand over the images picked with `howfar explore`, not -k.")] = False,
    out: Annotated[Path | None, value("DIR", "Write this folder; by default RUN/select-NAME.", "--out", "-o")] = None,
    to: flags.LabellingAddress = None,
    json: flags.Json = False,
    **chosen: Unpack[SelectOptions],
) -> None:
    """Choose K images of dataset NAME of RUN to label, and write the list, a contact sheet and files for labelling tools."""
    from howfar.studies.select_images import select as study

    if picked:
        others: dict[str, Any] = {"k": k, "labelled": labelled, "performance": performance, "to": to}
        others["seed"] = chosen.pop("seed", None)
        others |= {} if strategy == "auto" else {"strategy": strategy}
        hand_over(run, dataset, out, json, others, {"predictions": predictions, **chosen})
        return
    if dataset is None or k is None:
        missing = "dataset" if dataset is None else "k"
        rule = "must be given, unless --picked hands over what was picked"
        raise InputError.of(missing, rule, None, "write --dataset NAME -k 7")
    send = flags.handing_over(to)
    folder = out or run / f"select-{folder_name(dataset)}"
    read: dict[str, Any] = {"predictions": predictions, "labelled": labelled, "performance": performance}
    selection, remarks = _with_remarks(partial(study, run, dataset, k, strategy, **read, out=folder, **chosen))
    if json:
        print_json(selection.to_dict())
    _finish(selection, folder, remarks, json)
    send(folder)


def _with_remarks(choose: Callable[[], Selection]) -> tuple[Selection, list[str]]:
    """Choose images, and collect the warnings as notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        return choose(), [f"note: {warning.message}" for warning in caught]


def _finish(selection: Selection, folder: Path, remarks: Sequence[str], json: bool) -> None:
    """Print the chosen images with reasons, the notes and the files' paths, or with --json the notes alone, on stderr."""
    if json:
        for remark in remarks:
            say(remark, err=True)
        return
    from howfar.report.labelling_files import ARCHIVES, FILES

    print_result(selection)
    print_remarks([*selection.remarks(), *remarks])
    print_paths({"list": folder / "chosen.txt"})
    archives = (f"{kind}.zip" for kind in ARCHIVES), (f"{kind}/" for kind in ARCHIVES)
    others = [name for name in (*FILES[1:], *chain(*archives)) if (folder / name).exists()]
    say(f"beside it: {', '.join(others)}")
    say(f"label these to train; to measure {selection.dataset}, howfar certify draws its own")


def hand_over(
    run: Path, dataset: str | None, out: Path | None, json: bool, others: Mapping[str, Any], beside: Mapping[str, Any]
) -> None:
    """Write a selection for each dataset with picked images in a run, or for one dataset; `others` must not be given."""
    from howfar.explore.page_server_and_picks import selections

    for name, given in others.items():
        if given is not None:
            raise InputError.of(name, "must be left out with --picked, which takes every image that was picked", given)
    made: list[tuple[Selection, Path, list[str]]] = []
    for name, choose in selections(run, dataset, beside).items():
        folder = out if out and dataset else (out or run) / f"select-{folder_name(name)}"
        if folder in {written for _, written, _ in made}:
            folder = folder.with_name(f"{folder.name}-{len(made) + 1}")
        selection, remarks = _with_remarks(partial(choose, out=folder))
        made.append((selection, folder, remarks))
    if json:
        print_json({"selections": [selection.to_dict() for selection, _, _ in made]})
    for each in made:
        _finish(*each, json)


def folder_name(dataset: str) -> str:
    """Return a dataset's name as part of a folder's name."""
    return re.sub(r'[/\\\0<>:"|?*]' if os.name == "nt" else r"[/\\\0]", "-", dataset)


@flags.command(PageOptions)
def explore(
    run: Annotated[Path, argument("RUN", "A folder that `howfar compare --out` or `howfar adapt` wrote.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Listen on this port of 127.0.0.1; 0 takes any free one.")] = 0,
    **chosen: Unpack[PageOptions],
) -> None:
    """Serve a page to look at the images of RUN at full size and to pick some, on this machine alone, until Ctrl-C."""
    from howfar.explore.page_server_and_picks import serving
    from howfar.report.explorer import site_of

    with serving(site_of(run, **chosen), port) as address, suppress(KeyboardInterrupt):
        say(f"{address} shows {run}; Ctrl-C ends it", err=True)
        while True:
            time.sleep(3600)
    say("ended", err=True)


Action = Literal["import"]
_FILE = (
    "A file that COCO (.json), CVAT (.xml, .zip) or Label Studio (.json) exported, a folder of masks, or a running tool's "
    "project: labelstudio://HOST/PROJECT, cvat://HOST/PROJECT."
)
_IMAGES = "The images that were labelled: the folder that `howfar select` wrote, its chosen.csv, or a dataset."


@flags.command(LabelImportOptions)
def labels(
    action: Annotated[Action, argument("ACTION", "import: write a dataset of the labels in FILE.")],
    file: Annotated[str, argument("FILE", _FILE)],
    images: Annotated[str, value("DATASET", _IMAGES)],
    out: Annotated[Path, value("DIR", "Write the labels into this new or empty folder.", "--out", "-o")],
    json: flags.Json = False,
    **chosen: Unpack[LabelImportOptions],
) -> None:
    """Import labels that a tool exported, as a dataset that evaluate, train --add, adapt and certify take."""
    from howfar.studies.label_import import BOXES, TABLE, import_labels

    done = import_labels(file, images, out, **chosen)
    answer(done, json, show, {"dataset": out / TABLE, "boxes": out / BOXES if done.task == "detection" else None})


def prelabel(
    folder: Annotated[Path, argument("FOLDER", "What `howfar select` or `howfar certify` wrote.")],
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Listen on this port; 0: any free one.")] = 9090,
    host: Annotated[
        str, value("ADDRESS", "Listen on this address of the machine; 0.0.0.0 lets other machines in, unasked.")
    ] = "127.0.0.1",
) -> None:
    """Serve the model's marks of the images in FOLDER to Label Studio, as its ML backend, the images in their drawn order."""
    from howfar.integrations.labelling_servers import Backend

    with Backend(folder, port, host) as server:
        say(f"{len(server.tasks)} images: http://{host}:{server.server_port} (Ctrl+C ends it)", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended", err=True)
