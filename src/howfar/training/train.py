"""`howfar.train`: a segmenter from a dataset with masks, in one call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from howfar.data import Dataset, parse
from howfar.errors import InputError
from howfar.io.checkpoint import remove_abandoned
from howfar.segmenters import recipe_of
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.examples import Example, examples_of
from howfar.training.fit import Task, fit
from howfar.training.settings import Settings, check_names, settings_for


def train(
    primary: Dataset | str | Path,
    model: str = "unetplusplus",
    out: str | Path | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    background: Sequence[Dataset | str | Path] = (),
    group: str | None = None,
    pretrained: bool | str | Path = True,
    start: Checkpoint | str | Path | None = None,
    state: str | Path | None = None,
    device: str = "auto",
    workers: int = 0,
    progress: bool = True,
    **settings: Any,
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
    options
        The architecture's own, as ``{"encoder": "b3"}``.
    background
        Datasets whose images are learnt from as pictures without foreground.
    group
        Regular expression whose first group names the photograph of an image of P; by default guessed from names
        ``<photo>-<tile>``.
    pretrained
        Begin with published weights where there are some; False for random ones, or a local file.
    start
        A checkpoint of the same architecture whose weights to begin with (fine-tuning).
    state
        Folder of the state that a killed training resumes from; by default beside `out`, named as it is and ``.state``. From
        that one, once `out` is written, the states of other trainings that were to write it and were killed are removed too.
    device, workers, progress
        As `howfar.training.fit.fit`.
    **settings
        Fields of `howfar.training.settings.Settings`: size, epochs, batch, loss, schedule, rate, decay, augment, holdout,
        patience, keep, precision, seed; by default the segmenter's own. With a holdout of 0 the last epoch is kept, whatever
        `keep` says, and patience is refused.

    Returns
    -------
    Checkpoint
        With its card: history, threshold, what it was trained on.

    Raises
    ------
    HowfarError
        A dataset without masks, an image that cannot be read, a wrong option or setting, a library or weights that are absent.
    """
    own = [name for name in inspect.signature(train).parameters if name != "settings"]
    check_names(settings, [*Settings.model_fields, *own])
    recipe = recipe_of(model)
    begun = Checkpoint.load(start) if isinstance(start, (str, Path)) else start
    chosen = settings_for(recipe, options or {}, begun, **settings)
    found = _dataset(primary)
    extra: list[Example] = []
    for one in background:
        extra += examples_of(_dataset(one), blank=True)
    task = Task(
        segmenter=model,
        options=dict(options or {}),
        primary=found.name,
        examples=examples_of(found, group),
        settings=chosen,
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
    made = fit(task, folder, out, device=device, workers=workers, progress=progress)
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
