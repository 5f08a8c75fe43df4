"""`howfar.train`: a segmenter from a dataset with masks, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from howfar.data import Dataset, parse
from howfar.errors import InputError
from howfar.keywords import TrainOptions, TrainSettings
from howfar.segmenters import recipe_of
from howfar.segmenters.checkpoint import Checkpoint
from howfar.settings import checked, picked, with_options
from howfar.training.examples import Example, examples_of
from howfar.training.fit import Task, fit
from howfar.training.resume import remove_abandoned
from howfar.training.settings import settings_for


@with_options(TrainOptions)
def train(
    primary: Dataset | str | Path,
    model: str = "unetplusplus",
    out: str | Path | None = None,
    *,
    background: Sequence[Dataset | str | Path] = (),
    start: Checkpoint | str | Path | None = None,
    state: str | Path | None = None,
    **options: Unpack[TrainOptions],
) -> Checkpoint:
    """Train a segmenter on a dataset's images and masks; a killed training goes on where it was when it is run again.

    Pictures are resized to a square (the aspect is not kept, as in the paper), masks so that no line is lost. A tenth of the
    photographs is held out: never learnt from, they tell when to stop and give the checkpoint its threshold.

    Parameters
    ----------
    primary
        P: a folder with ``images/`` and ``masks/``, or any dataset argument; images without a mask are left out.
    model
        A registered segmenter: ``unetplusplus``, ``deepcrack``, ``adsam``.
    out
        Where to save the checkpoint; None: nowhere.
    background
        Datasets whose images are learnt from as pictures without foreground.
    start
        A checkpoint of the same architecture whose weights to begin with (fine-tuning).
    state
        Folder of the state that a killed training resumes from; by default beside `out`, named as it is and ``.state``. From
        that one, once `out` is written, the states of other trainings that were to write it and were killed are removed too.

    Returns
    -------
    Checkpoint
        With its card: history, threshold, what it was trained on.

    Raises
    ------
    HowfarError
        A dataset without masks, an image that cannot be read, a wrong option or setting, a library or weights that are absent.
    """
    given = checked(TrainOptions, options)
    architecture, pretrained = dict(given["options"] or {}), given["pretrained"]
    recipe = recipe_of(model)
    begun = Checkpoint.load(start) if isinstance(start, (str, Path)) else start
    settings = settings_for(recipe, architecture, begun, **picked(TrainSettings, given))
    found = _dataset(primary)
    extra: list[Example] = []
    for one in background:
        extra += examples_of(_dataset(one), blank=True)
    task = Task(
        segmenter=model,
        options=architecture,
        primary=found.name,
        examples=examples_of(found, given["group"]),
        settings=settings,
        extra=tuple(extra),
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
        start=begun,
    )
    recipe.checked(task.options)
    if out is not None and Path(out).is_dir():
        raise InputError.of("out", "must be a file, not a folder", str(out))
    if state is None and out is None:
        raise InputError.of("state", "must be given where out is not", None, "name a folder for the state of the training")
    folder = Path(state) if state is not None else Path(f"{out}.state")
    made = fit(task, folder, out, device=given["device"], workers=given["workers"] or 0, progress=given["progress"])
    if state is None:
        remove_abandoned(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return made


def _dataset(argument: Dataset | str | Path) -> Dataset:
    found = argument if isinstance(argument, Dataset) else parse(argument)
    if not isinstance(found, Dataset):
        raise InputError.of("dataset", "must be images with masks, not embeddings", found.name)
    return found
